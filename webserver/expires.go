package webserver

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// expiry is a rule for the Expires header of files.
type expiry struct {
	serving.Expires
	re *regexp.Regexp // nil for types
}

func newExpiries(rules []serving.Expires) (list []expiry, err error) {
	for _, r := range rules {
		e := expiry{Expires: r}
		if r.Subject != "type" {
			if e.re, err = regexp.Compile(r.Pattern); err != nil {
				return nil, wrap("static-expires", r.Pattern, err)
			}
		}
		list = append(list, e)
	}
	return list, nil
}

// expire finds the first matching rule.
func (f *files) expire(x *exchange, real, kind string, o *opened) (at time.Time, ok bool) {
	for _, e := range f.expires {
		if !e.fits(x, real, kind) {
			continue
		}
		from := x.started
		if e.FromMtime {
			from = o.modTime()
		}
		return from.Add(time.Duration(e.Seconds) * time.Second), true
	}
	return at, false
}

func (e *expiry) fits(x *exchange, real, kind string) bool {
	switch e.Subject {
	case "type":
		plain, _, _ := strings.Cut(kind, ";")
		return plain == e.Pattern
	case "uri":
		return e.re.MatchString(x.r.RequestURI)
	case "path-info":
		return e.re.MatchString(x.path)
	}
	return e.re.MatchString(real)
}

// zip selects the files that may have a compressed variant.
type zip struct {
	serving.Gzip
	patterns []*regexp.Regexp
}

func newZip(g serving.Gzip) (zip, error) {
	z := zip{Gzip: g}
	for _, p := range g.Patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return z, wrap("static-gzip", p, err)
		}
		z.patterns = append(z.patterns, re)
	}
	return z, nil
}

// some reports whether any file may have one.
func (z *zip) some() bool {
	return z.All || len(z.patterns)+len(z.Dirs)+len(z.Suffixes) > 0
}

func (z *zip) wants(real string) bool {
	if z.All {
		return true
	}
	for _, re := range z.patterns {
		if re.MatchString(real) {
			return true
		}
	}
	for _, dir := range z.Dirs {
		if strings.HasPrefix(real, dir) {
			return true
		}
	}
	for _, end := range z.Suffixes {
		if strings.HasSuffix(real, end) {
			return true
		}
	}
	return false
}

// acceptsGzip parses Accept-Encoding (RFC 9110, section 12.5.3): the weight of gzip takes
// precedence over the weight of *.
func acceptsGzip(r *http.Request) (accepts bool) {
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(r.Header.Values("Accept-Encoding"), ",")), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		switch coding = strings.TrimSpace(coding); coding {
		case "gzip", "x-gzip":
			return !refuses(parameters)
		case "*":
			accepts = !refuses(parameters)
		}
	}
	return accepts
}

// refuses reports a weight of zero.
func refuses(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		if q, ok := strings.CutPrefix(strings.ReplaceAll(p, " ", ""), "q="); ok {
			return strings.Trim(q, "0.") == "" && strings.HasPrefix(q, "0")
		}
	}
	return false
}
