package webpage

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/reads"
)

// policy permits only the page's own files: neither scripts nor styles in the text of a page, and no page
// of others around this one.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard answers requests of permitted readers, and adds the headers that confine a browser.
func (s *Site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "this page changes nothing")
		case !s.permitsHost(r.Host):
			fail(w, http.StatusMisdirectedRequest, "this emperor has no page under this host name (emperor-web-host = NAME permits it)")
		case elsewhere(r):
			fail(w, http.StatusForbidden, "another site asks")
		case s.Passwords != nil && !s.knows(r):
			h.Set("WWW-Authenticate", `Basic realm="emperor", charset="UTF-8"`)
			fail(w, http.StatusUnauthorized, "a name and a password are needed")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// permitsHost reports whether a Host header names this machine. Any other name may be of a site that
// made its name lead here (DNS rebinding), so that its scripts could read the page.
func (s *Site) permitsHost(text string) bool {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = text
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	own, err := os.Hostname()
	return err == nil && own != "" && host == strings.ToLower(own) || slices.Contains(s.Hosts, host)
}

// elsewhere reports whether the page of another site made the browser ask (W3C Fetch Metadata). A link
// to this page is no such request.
func elsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

const (
	// provingTime is how long a reader waits for the verification of other passwords.
	provingTime = 3 * time.Second
	// wrongPause is how long a wrong password delays the verification of others.
	wrongPause = 500 * time.Millisecond
)

// knows reports whether the request has the name and password of a reader. One password at a time is
// verified, because that takes processor time by design; those verified before need no place.
func (s *Site) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok || s.refresh(r.Context()) != nil {
		return false
	}
	if s.Passwords.Proven(user, password) {
		return true
	}
	ctx, cancel := context.WithTimeout(r.Context(), provingTime)
	defer cancel()
	if !s.proving.enter(ctx) {
		return false
	}
	if s.Passwords.Match(user, password) {
		s.proving.leave()
		return true
	}
	time.AfterFunc(wrongPause, s.proving.leave)
	return false
}

// refresh reads the password file if it has changed. Without it all readers are refused. A mistake is
// logged when it is new.
func (s *Site) refresh(ctx context.Context) error {
	err := s.Reads.Do(ctx, s.Passwords.Path, func(reads.At) error { return s.Passwords.Refresh() })
	text := ""
	if err != nil {
		text = err.Error()
	}
	if last := s.mistake.Swap(&text); err != nil && (last == nil || *last != text) {
		s.Log.Error("cannot read the password file; all readers of the page are refused", "error", err)
	}
	return err
}

// fail answers with a line of text.
func fail(w http.ResponseWriter, code int, why string) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(why + "\n"))
}
