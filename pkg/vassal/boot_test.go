package vassal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/generated"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

const introduction = `# The boot of a vassal

This page is generated from the list in ` + "`pkg/vassal`" + `; a test keeps it current.

A vassal executes these steps in order. A step without options in the configuration does nothing. The first failure ends the boot
with exit code 1 and an error; later steps do not run. [The page of hooks](hooks.md) describes the hooks.

A boot that waits, for example for a hook, an interface or a file, reports the wait after a moment: ` + "`emperor list` and `status`" + ` show it, and
the log contains it after 10 seconds. A stop ends the boot at this point, and no later hook or step runs: waits of options end at once,
the reading of a file ends after a second. A hook that runs may end by itself until ` + "`reload-mercy`" + ` is over: then the emperor kills
the vassal. Without an emperor the vassal's own ` + "`reload-mercy`" + ` counts. A second stop kills the hook and the vassal at once.

A vassal that needs nothing run inside carries out its steps without the vassal program, as system calls: seal descriptors, wait for the
order, prepare mounts, limit capabilities, start directory, limit resources, drop privileges, no new privileges, change directory, bind sockets, become another program. That is the
built-in server where it is the only process of the vassal.
[The page of the architecture](architecture.md#without-a-program-of-ours) describes which vassals these are.

`

func TestBootDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../docs/boot.md", func(w io.Writer) error {
		text := introduction
		for i, s := range newVassal(input{}, ownPrograms{}).steps() {
			text += fmt.Sprintf("%d. %s\n", i+1, s.name)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

// TestBootOrder checks the order of pairs of steps, and gives the reason of each.
func TestBootOrder(t *testing.T) {
	var names []string
	for _, s := range newVassal(input{}, ownPrograms{}).steps() {
		names = append(names, s.name)
	}
	tests := []struct{ before, after, why string }{
		{"seal descriptors", "wait for the order", "nothing that comes may inherit what the emperor had open"},
		{"wait for the order", "prepare mounts", "a parked child does nothing"},
		{"listen to the emperor", "as-vassal hooks", "a hook that hangs can be called off"},
		{"prepare mounts", "as-vassal hooks", "a mount of a hook must not reach the host"},
		{"as-vassal hooks", "parse options", "the operator's comes before the tenant's"},
		{"parse options", "asap hooks", "they are in it"},
		{"make directories", "asap hooks", "hooks find them"},
		{"make directories", "become another program, privileged", "so does that program"},
		{"asap hooks", "pre-jail hooks", "phases of uWSGI"},
		{"pre-jail hooks", "in-jail hooks", "phases of uWSGI"},
		{"wait for interfaces", "as-root hooks", "they configure the interface"},
		{"as-root hooks", "drop privileges", "the last privileged moment"},
		{"bind shared sockets", "drop privileges", "they may be privileged"},
		{"drop privileges", "as-user hooks", "what they do is not done as root"},
		{"drop privileges", "bind sockets", "as in uWSGI: a port below 1024 takes more than a file that asks for it"},
		{"drop privileges", "become another program", "the program is not root"},
		{"change directory", "bind sockets", "relative paths of sockets"},
		{"bind sockets", "become another program", "it gets them"},
		{"bind sockets", "pre-app hooks", "they may announce the sockets"},
	}
	for _, test := range tests {
		first, second := slices.Index(names, test.before), slices.Index(names, test.after)
		if first < 0 || second < 0 || first >= second {
			t.Errorf("%q is step %d and %q is step %d: %s", test.before, first+1, test.after, second+1, test.why)
		}
	}
}

// TestEveryPhaseOfTheBootHasItsStep: hooks of a phase without a step would be accepted in a
// file and then never run.
func TestEveryPhaseOfTheBootHasItsStep(t *testing.T) {
	at := -1
	for _, info := range hooks.Phases() {
		if info.Who != hooks.Vassal {
			continue
		}
		step := slices.IndexFunc(newVassal(input{}, ownPrograms{}).steps(), func(s step) bool { return s.name == string(info.Phase)+" hooks" })
		if step <= at {
			t.Errorf("the hooks of %s are step %d, after step %d", info.Phase, step+1, at+1)
		}
		if at = step; info.Phase == hooks.PostApp { // the master runs the later phases
			return
		}
	}
	t.Error("no phase post-app")
}

// A stop during a step that does not check for it is not lost: the next step does not run, and
// after the last step nothing is served.
func TestStopDuringTheBootIsNotLost(t *testing.T) {
	for name, last := range map[string]bool{"in the middle": false, "in the last step": true} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		emperor := os.NewFile(uintptr(pair[0]), "emperor")
		ctx, cancel := context.WithCancelCause(t.Context())
		v := newVassal(input{log: slog.New(slog.DiscardHandler)}, ownPrograms{})
		v.link.pipe, v.signals.stop = wire.NewVassalPipe(pair[1]), cancel
		steps := []step{
			{"listen to the emperor", listen(&v.signals, &v.link, &v.progress, v.log, v.quit)},
			{"look away", func(ctx context.Context) error {
				_, err := emperor.Write([]byte{byte(wire.Stop)})
				<-ctx.Done()
				return err
			}},
		}
		if !last {
			steps = append(steps, step{"go on", func(context.Context) error {
				t.Errorf("%s: the boot went on", name)
				return nil
			}})
		}
		if err := v.boot(ctx, steps); !errors.Is(err, errStopped) {
			t.Errorf("%s: %v, want %v", name, err, errStopped)
		}
		v.signals.end()
		signal.Stop(v.signals.arrived)
		emperor.Close()
		v.link.pipe.Close()
		cancel(nil)
	}
}

// A reload signal during the boot is kept for the master, because the configuration may have
// been read before it. No other signal is kept.
func TestReloadDuringTheBootIsNotLost(t *testing.T) {
	for name, wish := range map[string]struct {
		signal os.Signal
		order  []byte
		want   bool
	}{
		"SIGHUP":  {signal: syscall.SIGHUP, want: true},
		"SIGUSR1": {signal: syscall.SIGUSR1},
		"a byte":  {order: []byte{byte(wire.Reload)}, want: true},
		"nothing": {},
	} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		emperor := os.NewFile(uintptr(pair[0]), "emperor")
		stopped, cancel := context.WithCancelCause(t.Context())
		v := newVassal(input{log: slog.New(slog.DiscardHandler)}, ownPrograms{})
		v.link.pipe, v.signals.stop = wire.NewVassalPipe(pair[1]), cancel
		if err := listen(&v.signals, &v.link, &v.progress, v.log, v.quit)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wish.signal != nil { // and the end of the listener behind it, in the same way
			v.signals.arrived <- wish.signal
			v.signals.arrived <- syscall.SIGTERM
		} else if _, err := emperor.Write(append(wish.order, byte(wire.Stop))); err != nil {
			t.Fatal(err)
		}
		<-stopped.Done()
		if got := v.signals.end(); got != (wishes{stop: true, reload: wish.want}) || v.signals.end() != got {
			t.Errorf("%s: %+v, want a stop and reload %v", name, got, wish.want)
		}
		signal.Stop(v.signals.arrived)
		emperor.Close()
		v.link.pipe.Close()
	}
}
