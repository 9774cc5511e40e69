/* fork: what the library does when its process forks. Handlers, registered once a process. */
#ifndef WDI_CORE_FORK_H
#define WDI_CORE_FORK_H

/* Before the first lock is taken. Any thread. */
void wdi_fork_watch(void);

#endif
