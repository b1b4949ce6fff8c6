//go:build linux

package integration

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a chromium in a world.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	faults []string // of scripts, and violations of the policy of a page
}

// browser starts a chromium without a window, which ends with the test.
func (w *world) browser() *browser {
	w.t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		w.t.Skipf("no browser (chromium): %v", err)
	}
	ns := "/proc/" + strconv.Itoa(w.holder.Process.Pid) + "/ns/"
	start := "#!/bin/sh\nexec nsenter --net=" + ns + "net -- " + path + " \"$@\"\n"
	w.write("browser", start)
	if err := os.Chmod(w.path("browser"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	profile := w.t.(*testing.T).TempDir() //nolint:forcetypeassert // benchmarks have no browser
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	allocator, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(w.path("browser")),
		chromedp.UserDataDir(profile), chromedp.Env("HOME="+profile, "XDG_RUNTIME_DIR="+profile, "TMPDIR="+profile))...)
	tab, leave := chromedp.NewContext(allocator)
	b := &browser{t: w.t, ctx: tab}
	w.t.Cleanup(func() {
		_ = chromedp.Cancel(tab) // and waits for its end
		leave()
		stop()
		cancel()
	})
	b.do(b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
		return err
	}))
	if err := chromedp.Listen(tab, b.collect); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// collect collects errors of scripts and of the page's policy.
func (b *browser) collect(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.faults = append(b.faults, e.Entry.Text)
		}
	}
}

// faultless checks that no script failed and that the page kept its policy.
func (b *browser) faultless() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.faults {
		b.t.Errorf("the browser reports: %s", text)
	}
}

func (b *browser) call(f func(context.Context) error) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open loads a page in a window of a size.
func (b *browser) open(url string, width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
}

// scripts switches the scripts of pages on or off.
func (b *browser) scripts(on bool) {
	b.t.Helper()
	b.do(b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// text returns the words of an element as they are shown, empty without the element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	quoted, _ := json.Marshal(selector)
	return strings.Join(strings.Fields(b.value("document.querySelector("+string(quoted)+")?.innerText ?? ''")), " ")
}

// value returns the value of an expression as text.
func (b *browser) value(expression string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for a text in an element.
func (b *browser) until(selector, want string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := b.text(selector)
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			b.picture()
			b.t.Fatalf("%s does not show %q:\n%s", selector, want, got)
		}
	}
}

// picture saves the window when EMPEROR_PICTURES names a directory.
func (b *browser) picture() {
	dir := os.Getenv("EMPEROR_PICTURES")
	if png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot()); err == nil && dir != "" {
		_ = os.WriteFile(filepath.Join(dir, filepath.Base(b.t.Name())+".png"), png, 0o600)
	}
}
