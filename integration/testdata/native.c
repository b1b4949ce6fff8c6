/* Hooks for native_test.go: one for each signature, and one for each effect that
 * the application must see. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

static void put(const char *text)
{
	FILE *f = fopen(getenv("NATIVE_TRACE"), "a");
	if (!f)
		return;
	fprintf(f, "%s pid=%d\n", text, (int)getpid());
	fclose(f);
}

void nothing(void) { put("nothing"); }
void begin(void) { put("begin"); }

void named(char *name)
{
	char line[200];
	snprintf(line, sizeof line, "named %s", name);
	put(line);
}

void with_pid(char *name, pid_t pid)
{
	char line[200];
	snprintf(line, sizeof line, "with_pid %s %d", name, (int)pid);
	put(line);
}

void with_owner(char *name, uid_t uid, gid_t gid)
{
	char line[200];
	snprintf(line, sizeof line, "with_owner %s %u %u", name, uid, gid);
	put(line);
}

void with_all(char *name, pid_t pid, uid_t uid, gid_t gid)
{
	char line[200];
	snprintf(line, sizeof line, "with_all %s %d %u %u", name, (int)pid, uid, gid);
	put(line);
}

void number(int n)
{
	char line[50];
	snprintf(line, sizeof line, "number %d", n);
	put(line);
}

int same(int n) { return n; }
int differs(char *text) { return strcmp(text, "two words"); }

void files(void)
{
	struct rlimit r = {777, 777};
	setrlimit(RLIMIT_NOFILE, &r);
}

void no_core(void)
{
	struct rlimit r = {0, 0};
	setrlimit(RLIMIT_CORE, &r);
}

void no_new_privs(void) { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

void own_name(void)
{
	unshare(CLONE_NEWUTS);
	sethostname("from-c", 6);
}

void elsewhere(void)
{
	if (chdir("/usr"))
		abort();
}
