//go:build linux

package integration

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
)

// Hooks of the emperor that must not run at the same time work for any number of vassals, as
// under uWSGI: a link with one fixed name for a moment, and a counter in a file, in every phase
// outside the vassals.
func TestHooksOfDifferentVassalsRunInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func(file string) string {
		path := w.path(file)
		return "echo $UWSGI_VASSAL_NAME >>" + path + ".all; n=$(cat " + path + " 2>/dev/null); sleep 0.02; echo $((n+1)) >" + path
	}
	w.script(w.path("link"), "ip link add tt-${UWSGI_VASSAL_NAME%.ini} type veth peer name fixed && ip link set fixed netns $UWSGI_VASSAL_PID")
	w.dir("www", "index.html")
	const vassals = 8
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), "wait-for-interface = fixed", serves)
		w.vassal(fmt.Sprintf("demand%d.ini", i), onDemandVassal(w)...)
		w.write(fmt.Sprintf("v/demand%d.ini.at", i), w.path(fmt.Sprintf("s/demand%d", i)))
		w.vassal(fmt.Sprintf("refused%d.ini", i), serves)
	}
	e := w.start(
		allNamespaces, "--emperor-concurrency", "4", "--emperor-on-demand-extension", ".at",
		"--exec-as-emperor-before-vassal", count("before"), "--exec-as-emperor-before-vassal", "case $UWSGI_VASSAL_NAME in refused*) false; esac",
		"--exec-as-emperor", w.path("link"), "--exec-as-emperor", count("beside"), "--exec-on-vassal-ready", count("ready"),
		"--exec-on-vassal-failed", count("failed"), "--exec-as-on-demand-vassal", count("demand"), "--exec-as-on-config-vassal", count("changed"),
		"--exec-as-emperor-after-vassal", count("after"),
	)
	for i := range vassals {
		e.running(fmt.Sprintf("v%d.ini", i))
		e.await(fmt.Sprintf("demand%d.ini", i), "-> waiting")
		e.await(fmt.Sprintf("refused%d.ini", i), "hook as-emperor-before-vassal")
	}
	counted := func(file string, least int) {
		t.Helper()
		eventually(t, file+" is counted each time that it ran", func() bool {
			runs := len(lines(w.path(file + ".all")))
			return runs >= least && slices.Equal(lines(w.path(file)), []string{fmt.Sprint(runs)})
		})
	}
	counted("ready", vassals) // the end of a vassal ends its hooks
	for i := range vassals {
		e.remove(fmt.Sprintf("v%d.ini", i))
		w.vassal(fmt.Sprintf("demand%d.ini", i), append(onDemandVassal(w), "env = EDIT=1")...)
	}
	for i := range vassals {
		e.gone(fmt.Sprintf("v%d.ini", i))
	}
	counted("before", 2*vassals)
	for _, file := range []string{"beside", "failed", "demand", "changed", "after"} {
		counted(file, vassals)
	}
	e.stop(syscall.SIGTERM)
}

// A hook that hangs delays its own vassal only, and emperor-hook-concurrency lets hooks run at
// the same time: each of three waits for the other two.
func TestHooksThatHoldUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("hang.sh", "[ $UWSGI_VASSAL_NAME != slow.ini ] || exec sleep 1000000")
	w.vassal("slow.ini", serves)
	for i := range 3 {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves)
	}
	e := w.start(allNamespaces, "--exec-as-emperor", "sh "+w.path("hang.sh"), "--emperor-hook-timeout", "0")
	for i := range 3 {
		e.running(fmt.Sprintf("v%d.ini", i))
	}
	if e.count("slow.ini", "-> running") > 0 {
		t.Error("the vassal did not wait for its hook")
	}
	e.end()

	if err := os.Mkdir(w.path("met"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.script(w.path("meet"), "touch "+w.path("met")+"/$UWSGI_VASSAL_NAME; until [ $(ls "+w.path("met")+" | wc -l) = 4 ]; do sleep 0.01; done")
	e = w.startOver(allNamespaces, w.vassals, "--exec-as-emperor", w.path("meet"), "--emperor-hook-concurrency", "4", "--emperor-concurrency", "4")
	for _, name := range []string{"slow.ini", "v0.ini", "v1.ini", "v2.ini"} {
		e.running(name)
	}
}
