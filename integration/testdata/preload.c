/* A library of a hostile tenant: it notes who loads it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void)
{
	char line[64];
	int file = open(PRELOAD_TRACE, O_WRONLY | O_APPEND | O_CREAT, 0666);
	int size = snprintf(line, sizeof line, "%d %d %d\n", getuid(), geteuid(), getegid());

	fchmod(file, 0666);
	if (write(file, line, size) != size)
		_exit(99);
	close(file);
}
