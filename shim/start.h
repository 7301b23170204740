/* What the shim does when the library is loaded, before the program runs. */
#ifndef SHIM_START_H
#define SHIM_START_H

/* In the environment: the image before this exec held sockets that were close-on-exec. */
#define START_REATTACH "SHIMSTACK_REATTACH"

#endif
