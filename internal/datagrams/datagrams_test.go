package datagrams

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
)

// Lines have the form of the logger, and no line has another sender or level.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	local, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	remote, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		to   logger.Logger
		from net.Conn
		line string
		want string // an expression
	}{
		{logger.Logger{Network: "unixgram", Address: path}, local, "plain <3>x", `plain <3>x`},
		{logger.Logger{Network: "unixgram", Address: path, Syslog: true, Facility: 3}, local, "hello", `<28>Jan  2 03:04:05 a\.ini: hello`},
		{logger.Logger{Network: "unixgram", Address: path, Syslog: true, Facility: 19, Ident: "shop: [1]"}, local, "<0>x", `<156>Jan  2 03:04:05 shop___1_: <0>x`},
		{logger.Logger{Network: "udp", Address: remote.LocalAddr().String(), Syslog: true, Facility: 3}, remote, "hello", `<28>Jan  2 03:04:05 [^ :]+ a\.ini: hello`},
		{logger.Logger{Network: "udp", Address: remote.LocalAddr().String()}, remote, strings.Repeat("x", 4096), `x{1000}x+`},
	} {
		if err := NewLines(tt.to, "a.ini").Send(t.Context(), 4, tt.line, at); err != nil {
			t.Errorf("%+v: %v", tt.to, err)
			continue
		}
		_ = tt.from.SetReadDeadline(time.Now().Add(10 * time.Second))
		text := make([]byte, 8192)
		n, err := tt.from.Read(text)
		if err != nil || !regexp.MustCompile("^"+tt.want+"$").Match(text[:n]) {
			t.Errorf("%+v: got %q, %v, want %s", tt.to, text[:n], err, tt.want)
		}
	}
}
