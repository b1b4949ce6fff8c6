package hooks

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/generated"
)

func TestHooksDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../docs/hooks.md", func(w io.Writer) error {
		_, err := io.WriteString(w, hooksDocument())
		return err
	})
}

const introduction = `# Hooks

This page is generated from the tables in ` + "`pkg/hooks`" + `; a test keeps it current.

A hook is an action of the operator at a moment of a vassal's life, called a *phase*. Its option consists of a kind and a
phase: ` + "`exec-as-root = ip link set lo up`" + `. Each option may be given many times. Within a phase hooks run by kind, in the
order of the next table, and within a kind in the order of the file.

Mistakes in the text of a hook are found when the configuration is read, and reported with file and line before anything runs.

A hook that runs longer than ` + "`emperor-hook-timeout`" + ` in the emperor's file, or ` + "`hook-timeout`" + ` in the vassal's file, is killed
with its process group. The process group of a hook that fails is killed as well. Commands have /dev/null as standard input.
Their output goes to the log, line by line, with phase and index.

The hooks of the emperor's phases that do not run in the vassal's process (see the column "where") run for one vassal after the
other, in the order of launches, as under uWSGI. The lists of two vassals only overlap when one of them takes longer than a second:
after that it does not block the others any more. ` + "`emperor-hook-concurrency`" + ` sets how many lists may run at the same time.
Hooks in the processes of different vassals run at the same time.

## Before the text

| prefix | meaning |
|---|---|
| ` + "`!`" + ` | hides the text from the log (in exec hooks only without a space after it: ` + "`! cmd`" + ` is the shell's) |
| ` + "`-`" + ` | logs a failure and otherwise ignores it, in any phase |
| ` + "`+`" + ` | makes a failure fatal, in any phase |

`

const environment = `
These phases and kinds run in the order in which uWSGI 2.0 runs them: a test records one life under both programs from the same files.
When a vassal stays root, uWSGI runs as-root and as-user several times, once for each attempt to drop privileges; here they run once.

## Environment of hooks

Hooks of the emperor's file have the emperor's whole environment, wherever they run. Hooks of a vassal's file have the vassal's
environment ([containment.md](containment.md)). The emperor's phases, and the phases of the emperor's file in the child, also have:

| variable | value |
|---|---|
| ` + "`UWSGI_VASSAL_CONFIG`, `UWSGI_VASSAL_NAME`" + ` | the vassal's name as its monitor knows it |
| ` + "`UWSGI_VASSAL_PID`" + ` | its pid in the emperor's pid namespace; unset before the clone |
| ` + "`UWSGI_VASSAL_UID`, `UWSGI_VASSAL_GID`" + ` | owner of its file |
| ` + "`UWSGI_VASSAL_GENERATION`" + ` | counts its launches, from 1 |
| ` + "`UWSGI_VASSAL_NETNS`" + ` | path of its network namespace, for ` + "`nsenter --net=`" + `; while the vassal lives |
| ` + "`UWSGI_VASSALS_DIR`" + ` | the directory of its file |
| ` + "`UWSGI_VASSAL_EXIT_CAUSE`" + ` | after its death: ` + "`stopped`, `failed`" + ` or ` + "`launch-failed`" + ` |
| ` + "`UWSGI_VASSAL_EXIT_CODE`, `UWSGI_VASSAL_EXIT_SIGNAL`" + ` | after its death: exit code or signal, of its program where that did not stop cleanly; one of them is empty |
| ` + "`UWSGI_VASSAL_UPTIME`" + ` | after its death: seconds since its launch |

Phases of a vassal's file have ` + "`UWSGI_VASSAL_NAME`" + `. Programs that serve for the vassal have it when a line of the vassal's file
mentions it.

All phases have ` + "`UWSGI_HOOK_PHASE`" + `, the phase, and ` + "`UWSGI_HOOK_CONTEXT`" + `, the vassal in the emperor's phases and the file in
` + "`hook-touch`" + `. In an ini file write ` + "`$UWSGI_VASSAL_PID`" + ` and not ` + "`$(UWSGI_VASSAL_PID)`" + `, which is expanded when the file is read.

## Links that hooks make

A link between the emperor's network namespace and a vassal's is recorded after the hooks of ` + "`as-emperor`, `as-emperor-setns`" + ` and
` + "`on-vassal-ready`" + ` have run. The emperor deletes it when that generation has ended. When the emperor is killed, the next emperor
deletes it.

The vassal's end may belong to a tenant, who could add routes to this host from there. When the emperor records a link, it therefore sets
` + "`accept_ra`, `accept_redirects`, `accept_source_route`" + ` and ` + "`send_redirects`" + ` of the host's end to 0, and ` + "`rp_filter`" + ` to 1. It changes only
values that equal the default of new links (` + "`/proc/sys/net/ipv4/conf/default`" + ` and ` + "`ipv6`" + `): other values are the choice of a hook. It
removes routes and addresses that were advertised before. It changes nothing else, and nothing in the vassal. Limits:

- A bridge that has the link as a port receives advertisements itself. [Set its values](../examples/several/link.sh) before you set it up.
- For IPv4 the kernel accepts and sends redirects when ` + "`conf/all`" + ` says so, regardless of a link's value: set
  ` + "`net.ipv4.conf.all.accept_redirects`" + ` and ` + "`net.ipv4.conf.all.send_redirects`" + ` to 0.
- When a hardware address changes with each start, neighbours send to the old address for up to half a minute. Give
  both ends addresses that are derived from the vassal's name.

## Hooks of the emperor in a vassal's file

The section ` + "`[emperor]`" + ` of a vassal's ini file may contain hooks of the emperor for this vassal alone. They run after the hooks
of the emperor's own file, and nothing in them is expanded. The operator permits them: ` + "`emperor-allow-attr = exec-as-emperor,on-vassal-ready`" + `
lists options, or phases for all their kinds. Other hooks are left out with a warning. The hooks run with the emperor's rights: in
a file that neither root nor the emperor's user owns they are an error, and that vassal does not start. A changed hook
needs a new process. ` + "`emperor check`" + ` finds mistakes in them.

## Functions

` + "`call-PHASE`" + ` and the call actions name a function that was registered in Go with ` + "`hooks.Register`" + `, in an emperor that you build
from these packages ([an example](../examples/custom-emperor/main.go)). Functions run on the thread that later executes the
application: effects on that thread apply to the application.

Any other name is a C function, in the C library or in a library that ` + "`dlopen = FILE`" + ` or ` + "`plugin = PLUGIN|INIT`" + ` loads; INIT
is called at once. A plugin is an absolute path, or a word WORD that is searched in each ` + "`plugin-dir`" + ` as
` + "`WORD_plugin.so`, `libWORD.so`, `WORD.so`" + ` and ` + "`WORD`" + `. When a ` + "`plugin`" + ` is missing, the program continues with a warning; when a
` + "`need-plugin`" + ` or ` + "`dlopen`" + ` is missing, it ends with exit code 1.

A program whose file calls C functions executes ` + "`emperor-native`" + ` or ` + "`vassal-native`" + `, which are found beside ` + "`emperor`" + ` and
` + "`vassal`" + `. The pid stays the same, and this happens before any phase of the file. The native programs need the C library of the
system; the others do not. A string is valid until the function returns. A timeout cannot end a function that does not
return. These programs have several threads, so ` + "`unshare(CLONE_NEWUSER)`" + ` fails in them.

| option | signature |
|---|---|
| ` + "`call-PHASE`" + ` | ` + "`void f(void)`" + ` |
| ` + "`call-PHASE1`" + ` | ` + "`void f(char *name)`" + ` |
| ` + "`call-PHASE2`" + ` | ` + "`void f(char *name, pid_t pid)`" + ` |
| ` + "`call-PHASE3`" + ` | ` + "`void f(char *name, uid_t uid, gid_t gid)`" + ` |
| ` + "`call-PHASE4`" + ` | ` + "`void f(char *name, pid_t pid, uid_t uid, gid_t gid)`" + ` |

## Mounts

Symbolic links in a target, and in the source of a bind, are followed only when root owns them; links of procfs are never
followed. Each mount is verified afterwards: when the mount is missing, or lacks a requested read-only, nosuid, nodev or noexec
flag, it is unmounted and the hook fails. A bind takes its flags at once (` + "`bind,ro`" + `). The fifth word holds options of the
filesystem (` + "`tmpfs none /tmp nosuid size=64m`" + `), and ` + "`-`" + ` stands for no flags.
`

func hooksDocument() string {
	var b strings.Builder
	b.WriteString(introduction)
	b.WriteString("## Kinds\n\n| option | text |\n|---|---|\n")
	for _, k := range Kinds() {
		name := Spec{Phase: "PHASE", Kind: k}.Option()
		if k == Program {
			name = string(VassalsStart) + "`, `" + string(VassalsStop)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", name, k.Syntax())
	}
	for _, who := range []Who{Emperor, Vassal} {
		fmt.Fprintf(&b, "\n## Phases of the %s's file, in order of time\n\n| phase | when, and the effect of a failure | where | user | kinds |\n|---|---|---|---|---|\n", who)
		for _, p := range Phases() {
			if p.Who == who {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Phase, p.Help, p.Where, p.User, kindNames(p.Kinds))
			}
		}
	}
	b.WriteString(environment)
	b.WriteString("\n## Actions of `hook-PHASE = ACTION:ARGS`\n\n| action | arguments | effect | example |\n|---|---|---|---|\n")
	for _, a := range actions {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", quoted(append([]string{a.Name}, a.Aliases...)), code(a.Args), a.Help, code(a.Example))
	}
	return b.String()
}

func kindNames(kinds []Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}

func quoted(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}
