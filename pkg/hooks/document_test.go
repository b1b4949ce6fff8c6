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

This page is made from the tables in ` + "`pkg/hooks`" + `; a test keeps it current.

A hook is something the operator has done at a moment of a vassal's life, a
*phase*. Its option is a kind and a phase: ` + "`exec-as-root = ip link set lo up`" + `. Each may
be given many times. Within a phase hooks run by kind, in the order of the next
table, and within a kind in the order of the file.

Everything that can be wrong with a hook's text is found when the configuration is
read, with file and line, and nothing has run by then.

A hook that runs longer than ` + "`emperor-hook-timeout`" + ` in the emperor's file, or
` + "`hook-timeout`" + ` in the vassal's, is killed with its process group, as is what a failed
one leaves behind in it. Commands have /dev/null as standard input; their output goes to
the log, line by line, with phase and index.

The emperor's hooks before the clone, after it and after the end run for one vassal
after the other, in the order of launches, as under uWSGI: a list of hooks finds
none of another vassal's running. A list that takes longer than a second holds up
the others no longer. emperor-hook-concurrency lets as many run side by side.

## Before the text

| prefix | meaning |
|---|---|
| ` + "`!`" + ` | the text is kept out of the log (in exec hooks only without a space behind it: ` + "`! cmd`" + ` is the shell's) |
| ` + "`-`" + ` | a failure is logged and otherwise ignored, whatever the phase |
| ` + "`+`" + ` | a failure is fatal, whatever the phase |

`

const environment = `
These phases and kinds run in the order in which uWSGI 2.0 runs them: a test records one life under both from the same files.
Where a vassal stays root uWSGI runs as-root and as-user several times, once for each attempt to drop privileges; here they run once.

## Environment of hooks

Hooks of the emperor's file have the emperor's whole environment, wherever they run; those of a vassal's file have that of the
vassal ([containment.md](containment.md)). Besides, emperor's phases, and those in the child that the emperor's file has:

| variable | value |
|---|---|
| ` + "`UWSGI_VASSAL_CONFIG`, `UWSGI_VASSAL_NAME`" + ` | the vassal's name as its monitor knows it |
| ` + "`UWSGI_VASSAL_PID`" + ` | its pid in the emperor's pid namespace; not before the clone |
| ` + "`UWSGI_VASSAL_UID`, `UWSGI_VASSAL_GID`" + ` | owner of its file |
| ` + "`UWSGI_VASSAL_GENERATION`" + ` | counts its launches, from 1 |
| ` + "`UWSGI_VASSAL_NETNS`" + ` | path of its network namespace, for ` + "`nsenter --net=`" + `; while it lives |
| ` + "`UWSGI_VASSALS_DIR`" + ` | the directory of its file |
| ` + "`UWSGI_VASSAL_EXIT_CAUSE`" + ` | after its death: ` + "`stopped`, `failed` or `launch-failed`" + ` |
| ` + "`UWSGI_VASSAL_EXIT_CODE`, `UWSGI_VASSAL_EXIT_SIGNAL`" + ` | after its death: how it ended; one of them is empty |
| ` + "`UWSGI_VASSAL_UPTIME`" + ` | after its death: seconds since its launch |

Phases of a vassal's file: ` + "`UWSGI_VASSAL_NAME`" + `, which programs that the vassal serves with get where a line of its file
mentions it.

All phases: ` + "`UWSGI_HOOK_PHASE`" + ` is the phase, ` + "`UWSGI_HOOK_CONTEXT`" + ` the vassal in the
emperor's phases and the file in ` + "`hook-touch`" + `. In an ini file write ` + "`$UWSGI_VASSAL_PID`" + ` and
not ` + "`$(UWSGI_VASSAL_PID)`" + `, which is expanded when the file is read.

## Links that hooks make

A link of the emperor's network whose other end is in a vassal's is noted when the hooks of ` + "`as-emperor`, `as-emperor-setns`" + ` or
` + "`on-vassal-ready`" + ` have run, and is deleted when that generation has ended, or, should the emperor be killed, by the one that follows
it. The vassal's end may be a tenant's, who could give this host routes from there. When it notes a link the emperor sets
` + "`accept_ra`, `accept_redirects`, `accept_source_route` and `send_redirects`" + ` of the host's end to 0, and ` + "`rp_filter`" + ` to 1, where they have
the values that every new link gets (` + "`/proc/sys/net/ipv4/conf/default`" + ` and ` + "`ipv6`" + `): what a hook has chosen stays. Routes and addresses that were
advertised before are removed. Nothing else is changed, and nothing inside. What the emperor cannot do:

- A bridge that the link is a port of hears advertisements itself. [Set its values](../examples/several/link.sh) before it is up.
- For IPv4 the kernel accepts and sends redirects where ` + "`conf/all`" + ` says so, whatever a link says: set
  ` + "`net.ipv4.conf.all.accept_redirects`" + ` and ` + "`net.ipv4.conf.all.send_redirects`" + ` to 0.
- A hardware address that is new with each start is looked for by its neighbours at the old one, for up to half a minute. Give
  both ends one that is made of the vassal's name.

## Hooks of the emperor in a vassal's file

The section ` + "`[emperor]`" + ` of a vassal's ini file may give hooks of the emperor that run for this vassal alone, behind those
of the emperor's own file, and read as they stand. The operator says which: ` + "`emperor-allow-attr = exec-as-emperor,on-vassal-ready`" + `
lists options, or phases for all their kinds. Others are left out with a warning. They run with the emperor's rights: in
a file that root, or the emperor's user, does not own they are a mistake, and that vassal does not start. A change of one
takes a new process. ` + "`emperor check`" + ` finds what is wrong in them.

## Functions

` + "`call-PHASE`" + ` and the call actions name a function that was registered in Go with
` + "`hooks.Register`" + `, by people who build their own emperor from these packages
([an example](../examples/custom-emperor/main.go)). Functions run on
the thread that goes on to execute the application: what they do to it, the application sees.

Any other name is a function of C, of the C library or of one that ` + "`dlopen = FILE`" + ` or
` + "`plugin = PLUGIN|INIT`" + ` loads; INIT is called at once. A plugin is an absolute path, or a word WORD that
is looked for in each ` + "`plugin-dir`" + ` as ` + "`WORD_plugin.so`, `libWORD.so`, `WORD.so` and `WORD`" + `. Without a
` + "`plugin`" + ` all goes on, with a warning; without a ` + "`need-plugin`" + ` or ` + "`dlopen`" + ` the program ends with 1.
Programs that such a file asks for become ` + "`emperor-native` and `vassal-native`" + `, which are installed
beside them, with the same pid and before any phase of the file. These need the C library of the
system; the others do not. A string is good until the function returns, a function that does not
return cannot be ended by a timeout, and these programs have several threads: ` + "`unshare(CLONE_NEWUSER)`" + ` fails.

| option | signature |
|---|---|
| ` + "`call-PHASE`" + ` | ` + "`void f(void)`" + ` |
| ` + "`call-PHASE1`" + ` | ` + "`void f(char *name)`" + ` |
| ` + "`call-PHASE2`" + ` | ` + "`void f(char *name, pid_t pid)`" + ` |
| ` + "`call-PHASE3`" + ` | ` + "`void f(char *name, uid_t uid, gid_t gid)`" + ` |
| ` + "`call-PHASE4`" + ` | ` + "`void f(char *name, pid_t pid, uid_t uid, gid_t gid)`" + ` |

## Mounts

A target, and the source of a bind, is reached through symbolic links only where root
owns them, and through no link of procfs. What is mounted is looked at afterwards: a
mount that is not there, or is not read-only, nosuid, nodev or noexec as it should be,
is taken away and is a failure. A bind takes its flags at once (` + "`bind,ro`" + `). The fifth
word holds options of the filesystem (` + "`tmpfs none /tmp nosuid size=64m`" + `), and ` + "`-`" + ` stands
for no flags.
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
		fmt.Fprintf(&b, "\n## Phases of the %s's file, in order of time\n\n| phase | when, and what a failure does | where | as whom | kinds |\n|---|---|---|---|---|\n", who)
		for _, p := range Phases() {
			if p.Who == who {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Phase, p.Help, p.Where, p.User, kindNames(p.Kinds))
			}
		}
	}
	b.WriteString(environment)
	b.WriteString("\n## Actions of `hook-PHASE = ACTION:ARGS`\n\n| action | arguments | what it does | example |\n|---|---|---|---|\n")
	for _, a := range Actions() {
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
