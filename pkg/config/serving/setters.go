package serving

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// addBehind parses the protocol and the address of the server behind a socket.
func addBehind(o *Options, v option.Value) error {
	protocol, address, _ := strings.Cut(v.Text, " ")
	o.Behind = append(o.Behind, Behind{protocol, address})
	return nil
}

// PutBehind sets the server behind the next socket. The zero value sets none.
func (o *Options) PutBehind(b Behind) error {
	return o.Put(further.Find("behind"), option.Value{Text: b.Protocol + " " + b.Address})
}

// addCertificate parses uWSGI's ADDRESS,CERT,KEY[,CIPHERS[,CLIENT-CA]]. Go chooses the
// ciphers.
func addCertificate(o *Options, v option.Value) error {
	words := append(strings.Split(v.Text, ","), "", "", "", "")
	c := Certificate{Address: words[0], Cert: words[1], Key: words[2], ClientCA: strings.TrimPrefix(words[4], "!")}
	if c.Address == "" || c.Cert == "" || c.Key == "" || len(words) > 9 {
		return option.Wrong(strconv.Quote(v.Text)+" is not an address with certificate and key", "such as :443,web.crt,web.key")
	}
	if ciphers := words[3]; ciphers != "" && ciphers != "HIGH" {
		return option.Wrong("the ciphers cannot be chosen here", "leave the field empty")
	}
	o.Certificates = append(o.Certificates, c)
	return nil
}

func setStaticMap(o *Options, v option.Value) error { return o.addStaticMap(v.Text, false) }

func setStaticMap2(o *Options, v option.Value) error { return o.addStaticMap(v.Text, true) }

func (o *Options) addStaticMap(text string, whole bool) error {
	mount, dir, ok := strings.Cut(text, "=")
	if !ok || !strings.HasPrefix(mount, "/") || dir == "" {
		return option.Wrong(strconv.Quote(text)+" is not a mapping", "such as /static=/srv/www")
	}
	o.StaticMaps = append(o.StaticMaps, Map{Mount: mount, Dir: dir, Whole: whole})
	return nil
}

// addExpires parses the rest of the value after the subject of e.
func (o *Options) addExpires(e Expires, v option.Value) (err error) {
	text := v.Text
	cut, shape := strings.LastIndexByte(text, ' '), "such as \\.png$ 3600"
	if e.Subject == "type" {
		cut, shape = strings.LastIndexByte(text, '='), "such as image/png=3600"
	}
	if cut < 1 {
		return option.Wrong(strconv.Quote(text)+" is not a rule", shape)
	}
	if e.Seconds, err = strconv.ParseInt(text[cut+1:], 10, 62); err != nil {
		return option.Wrong(strconv.Quote(text[cut+1:])+" is not a number of seconds", shape)
	}
	if e.Pattern = strings.TrimSpace(text[:cut]); e.Subject != "type" {
		if err := expression(v, e.Pattern); err != nil {
			return err
		}
	}
	o.Expires = append(o.Expires, e)
	return nil
}

func (o *Options) addRoute(subject string, v option.Value) error {
	r, err := ParseRoute(subject, v.Text, v.Expression)
	r.Origin = v.Origin.String()
	o.Routes = append(o.Routes, r)
	return err
}

// setKeepAlive keeps the default when the value is missing or a plain yes.
func setKeepAlive(o *Options, v option.Value) (err error) {
	switch strings.ToLower(v.Text) {
	case "", "true", "on", "yes":
		return nil
	}
	o.KeepAlive, err = option.ParseDuration(v.Text)
	return err
}

// expression rejects syntax that Go's regexp does not support; uWSGI's expressions are Perl's.
func expression(v option.Value, pattern string) error {
	if err := v.CheckExpression(pattern); err != nil {
		return option.Wrong(fmt.Sprintf("%q is not a regular expression: %v", pattern, err), "syntax of re2, without look-around")
	}
	return nil
}

func setGzipPattern(o *Options, v option.Value) error {
	o.Gzip.Patterns = append(o.Gzip.Patterns, v.Text)
	return expression(v, v.Text)
}

func setAddHeader(o *Options, v option.Value) error {
	name, _, ok := strings.Cut(v.Text, ":")
	if !ok || !headerName(strings.TrimSpace(name)) || strings.ContainsAny(v.Text, "\r\n") {
		return option.Wrong(strconv.Quote(v.Text)+" is not a header", "Name: value")
	}
	o.AddHeaders = append(o.AddHeaders, v.Text)
	return nil
}

// headerName reports whether a response can have a header of this name, a token of RFC 9110,
// section 5.6.2. net/http silently drops others.
func headerName(name string) bool {
	for _, c := range []byte(name) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

func setCGI(o *Options, v option.Value) error {
	mount, path, ok := strings.Cut(v.Text, "=")
	if !ok {
		mount, path = "/", v.Text
	}
	if !strings.HasPrefix(mount, "/") || path == "" {
		return option.Wrong(strconv.Quote(v.Text)+" is not a mapping", "such as /cgi-bin=/usr/lib/cgi-bin")
	}
	o.CGI = append(o.CGI, Map{Mount: mount, Dir: path})
	return nil
}

func setCGIHelper(o *Options, v option.Value) error {
	ext, program, ok := strings.Cut(v.Text, "=")
	if !ok || ext == "" || program == "" {
		return option.Wrong(strconv.Quote(v.Text)+" is not a helper", "such as .py=python3")
	}
	o.CGIHelpers = append(o.CGIHelpers, CGIHelper{Ext: ext, Program: program})
	return nil
}

func setHTTPTo(o *Options, v option.Value) error {
	if v.Text == "" || strings.ContainsAny(v.Text, " \t?#") {
		return option.Wrong(strconv.Quote(v.Text)+" is not an address", "such as 127.0.0.1:8080, or the path of a socket")
	}
	o.HTTPTo = append(o.HTTPTo, v.Text)
	return nil
}

func setProtocol(o *Options, v option.Value) error {
	switch v.Text {
	case "uwsgi", "http", "fastcgi":
		o.SocketProtocol = v.Text
		return nil
	}
	return option.Unknown("protocol", v.Text, "uwsgi", "http", "fastcgi")
}

func setBufferSize(o *Options, v option.Value) error {
	n, err := option.ParseSize(v.Text)
	if err == nil && (n < 1<<10 || n > 16<<20) {
		err = option.Wrong(strconv.Quote(v.Text)+" is out of range", "1024 to 16777216")
	}
	o.BufferSize = int(n)
	return err
}
