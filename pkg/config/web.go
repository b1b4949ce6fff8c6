package config

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Web has the options of the page for browsers.
type Web struct {
	// Address of its socket. Empty: there is no page.
	Address string
	// Users is the path of a password file, as of htpasswd. Empty: no password is asked.
	Users string
	// Hosts are names under which browsers may ask for it, besides the names of this machine.
	Hosts []string
}

func setWeb(e *Emperor, v option.Value) error {
	a, err := address.Parse(v.Text)
	if err != nil {
		return option.Wrong(err.Error(), "such as /run/emperor/web.sock or 127.0.0.1:9130")
	}
	if a.Path == "" {
		if _, err := a.IP(); err != nil {
			return option.Wrong(err.Error(), "such as 127.0.0.1:9130")
		}
	}
	e.Web.Address = v.Text
	return nil
}

func addWebHost(e *Emperor, v option.Value) error {
	if v.Text == "" || strings.Trim(strings.ToLower(v.Text), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return option.Wrong(strconv.Quote(v.Text)+" is not the name of a host", "such as ops.example.com, without a port")
	}
	e.Web.Hosts = append(e.Web.Hosts, strings.ToLower(v.Text))
	return nil
}

func setWebUsers(e *Emperor, v option.Value) error {
	if !filepath.IsAbs(v.Text) {
		return option.Wrong(strconv.Quote(v.Text)+" is not the path of a file from /", "such as /etc/emperor.users, made by htpasswd -c -B")
	}
	e.Web.Users = v.Text
	return nil
}

// checkWeb finds mistakes in combinations of the options of the page.
func (e *Emperor) checkWeb(problems *Problems) {
	if e.Unsure("emperor-web") || e.Unsure("emperor-web-users") {
		return
	}
	if e.Web.Address == "" {
		for name, given := range map[string]bool{"emperor-web-host": len(e.Web.Hosts) > 0, "emperor-web-users": e.Web.Users != ""} {
			if given {
				problems.Add(e.Origin(name), name, "there is no page", "emperor-web = ADDRESS")
			}
		}
		return
	}
	a, err := address.Parse(e.Web.Address)
	if err != nil || a.Path != "" || e.Web.Users != "" {
		return
	}
	if ip, err := a.IP(); err != nil || !ip.IsLoopback() {
		problems.Add(e.Origin("emperor-web"), "emperor-web", "other machines reach this address, and no password is asked",
			"emperor-web-users = FILE, or an address such as 127.0.0.1:9130 or the path of a socket")
	}
}
