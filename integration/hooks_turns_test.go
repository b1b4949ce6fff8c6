//go:build linux

package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// Hooks of the emperor that must not run at the same time work for any number of vassals, as
// under uWSGI: a link with one fixed name for a moment, and a counter in a file, also when
// vassals end.
func TestHooksOfDifferentVassalsRunInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func(file string) string {
		path := w.path(file)
		return "n=$(cat " + path + " 2>/dev/null); sleep 0.02; echo $((n+1)) >" + path
	}
	w.script(w.path("link"), "ip link add tt-${UWSGI_VASSAL_NAME%.ini} type veth peer name fixed && ip link set fixed netns $UWSGI_VASSAL_PID")
	const vassals = 8
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), "wait-for-interface = fixed", serves)
	}
	e := w.start(
		allNamespaces, "--emperor-concurrency", "4", "--exec-as-emperor-before-vassal", count("before"), "--exec-as-emperor", w.path("link"),
		"--exec-as-emperor", count("beside"), "--exec-as-emperor-after-vassal", count("after"),
	)
	for i := range vassals {
		e.running(fmt.Sprintf("v%d.ini", i))
	}
	for i := range vassals {
		e.remove(fmt.Sprintf("v%d.ini", i))
	}
	for i := range vassals {
		e.gone(fmt.Sprintf("v%d.ini", i))
	}
	for _, file := range []string{"before", "beside", "after"} {
		if got := lines(w.path(file)); !slices.Equal(got, []string{fmt.Sprint(vassals)}) {
			t.Errorf("%s: counted %q, want %d", file, got, vassals)
		}
	}
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
