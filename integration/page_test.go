//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pageAt is the address of the page in a world.
const pageAt = "127.0.0.1:9130"

// rowNamed selects the row of the first vassal whose name begins with a word.
func rowNamed(b *browser, name string) string {
	b.t.Helper()
	return "#" + b.value(fmt.Sprintf("[...document.querySelectorAll('#rows tr')].find(r => r.cells[0].innerText.startsWith(%q))?.id ?? 'none'", name))
}

// An operator sees in a browser, without touching it, how a vassal dies and comes back, a bad edit, and the
// restart of the emperor. Markup in names, status and output is text.
func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.vassal("shop.ini", serves)
	w.vassal("blog.ini", serves)
	w.vassal("<script>alert(1)<script>.ini", `privileged-binary-patch-arg = sh -c 'echo "<script>alert(2)</script>"; systemd-notify "STATUS=<img src=x onerror=alert(3)>"; exec sleep 1000000'`)
	args := []string{allNamespaces, "--emperor-web", pageAt, "--emperor-throttle", "8000"}
	e := w.start(args...)
	pid := e.running("shop.ini")
	b.open("http://"+pageAt+"/", 1600, 900)
	b.until("#live", "live")
	b.until("#counts", "3 running")
	b.value("window.mark = 'same page'")

	shop := rowNamed(b, "shop.ini")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until(shop, "backoff")
	if first := b.text("#rows tr"); !strings.HasPrefix(first, "shop.ini") {
		t.Errorf("the faulty vassal is not first: %q", first)
	}
	b.until("#strip .news", "backoff")
	if title := b.value("document.title"); !strings.HasPrefix(title, "(1)") {
		t.Errorf("the title is %q", title)
	}
	b.until(shop, "running")

	w.vassal("blog.ini", serves, "umask = 9")
	b.until(rowNamed(b, "blog.ini"), "umask")
	b.until(rowNamed(b, "blog.ini"), "running")

	b.until(rowNamed(b, "<script>"), "<img src=x onerror=alert(3)>")
	searchesByKeys(b)
	if mark := b.value("window.mark"); mark != "same page" {
		t.Errorf("the page was loaded again: %s", mark)
	}
	e.stop(syscall.SIGTERM)
	b.until("#live", "connecting")
	e = w.start(args...)
	e.running("shop.ini")
	b.until("#live", "live")
	b.until("#counts", "running")
	showsVassal(b)
	b.open("http://"+pageAt+"/emperor", 800, 600)
	b.until("#live", "live")
	b.until("#about", "version")
	b.until("#warnings", "umask")
	b.faultless()
}

// searchesByKeys searches with the keyboard alone, and opens a vassal.
func searchesByKeys(b *browser) {
	b.t.Helper()
	b.do(chromedp.KeyEvent("/"), chromedp.KeyEvent("blo"))
	b.until("#counts", "1 all")
	if rows := b.value("document.querySelectorAll('#rows tr').length"); rows != "1" {
		b.t.Errorf("the search shows %s rows", rows)
	}
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	if at := b.value("document.activeElement.innerText"); at != "blog.ini" {
		b.t.Errorf("the arrow leads to %q", at)
	}
	b.do(chromedp.KeyEvent("/"), chromedp.KeyEvent(kb.Escape))
	b.until("#counts", "3 all")
}

// showsVassal looks at the page of the vassal with markup everywhere.
func showsVassal(b *browser) {
	b.t.Helper()
	b.until(rowNamed(b, "<script>"), "running")
	b.do(chromedp.Navigate(b.value(fmt.Sprintf("document.querySelector(%q).href", rowNamed(b, "<script>")+" a"))))
	b.until("#live", "live")
	b.until("h1", "<script>alert(1)<script>.ini")
	b.until("#lines", "<script>alert(2)</script>")
	b.until("#head", "<img src=x onerror=alert(3)>")
	b.until("#processes", "sleep")
	b.until("#settings", "privileged-binary-patch-arg")
	if n := b.value("document.querySelectorAll('main script, main img').length"); n != "0" {
		b.t.Errorf("%s elements come from texts of a vassal", n)
	}
}

// Two hundred vassals, most with long names and errors, fit any window, also without scripts.
func TestPageOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	for i := range 200 {
		w.vassal(fmt.Sprintf("customer-%d-%s.ini", i, strings.Repeat("long", i%12)), serves, fmt.Sprintf("http-socket = 127.0.0.1:%d", 9000+i))
	}
	w.vassal(strings.Repeat("unbroken", 20)+".ini", serves, "umask = "+strings.Repeat("9", 300))
	e := w.start(allNamespaces, "--emperor-web", pageAt, "--emperor-wait-for-command")
	e.await("customer-199-"+strings.Repeat("long", 7)+".ini", "idle")
	for _, scripts := range []bool{true, false} {
		b.scripts(scripts)
		for _, width := range []int64{1600, 800, 400} {
			for _, path := range []string{"/", "/emperor", "/vassals/customer-11-" + strings.Repeat("long", 11)} {
				b.open("http://"+pageAt+path, width, 900)
				if over := b.value("document.documentElement.scrollWidth - innerWidth"); over != "0" {
					b.picture()
					t.Errorf("%s at %d: the page is %s pixels too wide", path, width, over)
				}
			}
		}
	}
	b.open("http://"+pageAt+"/?state=idle", 1600, 900)
	if n := b.value("document.querySelectorAll('#rows tr').length"); n != "200" && n != "201" {
		t.Errorf("without scripts there are %s idle vassals", n)
	}
	b.do(chromedp.Click("#counts a:first-child"))
	b.until("h1", "Vassals")
	b.faultless()
}

// The page at a path is for its owner alone; one that other machines reach asks for a password. It is read-only,
// and a removed socket comes back.
func TestPageSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "env = PASSWORD=s3cret")
	sha := w.run("printf pw | openssl dgst -sha1 -binary | base64")
	w.write("users", "ann:{SHA}"+sha+"\n")
	e := w.start(allNamespaces, "--emperor-web", w.path("page"), "--emperor-web-users", w.path("users"), "--emperor-web-host", "ops.example.com")
	e.running("a.ini")
	if info, err := os.Stat(w.path("page")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the socket has mode %v, %v", info.Mode(), err)
	}
	ask := func(args string) string {
		return w.run("curl -s -o /dev/null -w '%{http_code}' --unix-socket " + w.path("page") + " " + args)
	}
	for args, want := range map[string]int{
		"http://localhost/": http.StatusUnauthorized, "-u ann:wrong http://localhost/": http.StatusUnauthorized, "-u ann:pw http://localhost/": http.StatusOK,
		"-u ann:pw http://ops.example.com/vassals/a.ini": http.StatusOK, "-u ann:pw http://evil.example/": http.StatusMisdirectedRequest,
		"-u ann:pw -X POST http://localhost/": http.StatusMethodNotAllowed, "-u ann:pw http://localhost/vassals/none": http.StatusNotFound,
	} {
		if got := ask(args); got != fmt.Sprint(want) {
			t.Errorf("%s: %s, want %d", args, got, want)
		}
	}
	if text := w.run("curl -s -u ann:pw --unix-socket " + w.path("page") + " http://localhost/vassals/a.ini"); strings.Contains(text, "s3cret") || !strings.Contains(text, "PASSWORD=") {
		t.Error("the page shows a secret, or no variable")
	}
	if err := os.Remove(w.path("page")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket is there again", func() bool {
		_, err := os.Stat(w.path("page"))
		return err == nil
	})
	eventually(t, "it answers", func() bool { return ask("-u ann:pw http://localhost/") == "200" })
	for _, args := range []string{"--emperor-web 0.0.0.0:9130", "--emperor-web-users " + w.path("none") + " --emperor-web " + w.path("other")} {
		text := w.run(program("emperor") + " " + args + " " + w.path("s") + " 2>&1 || echo code $?")
		if !strings.Contains(text, "emperor-web") || !strings.Contains(text, "code ") {
			t.Errorf("%s: %s", args, text)
		}
	}
}
