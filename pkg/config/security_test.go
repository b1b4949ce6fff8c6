package config

import (
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// TestSecurityValuesNeverFallBack: a value that cannot be parsed exactly is refused, in a
// vassal's file and on both command lines, with strict and without. No value becomes 0, a
// default or a prefix of itself.
func TestSecurityValuesNeverFallBack(t *testing.T) {
	ids := []string{
		"", "0day", "0x0", "0o7", "-1", "+1", "4294967295", "4294967296", "99999999999999999999", "1 2", "1.0", "1e3", "root root", "root:root",
		"root;", "../root", "r\x00ot", "ro\tot", "-root", ".root", "röot", "٣", "$", "a$b", strings.Repeat("x", 300),
	}
	bad := map[string][]string{
		"uid": ids, "gid": ids, "add-gid": ids,
		"umask":              {"", "9", "08", "1000", "-1", "0x12", "u=rwx", "22 ", "0022x", "7777777777777777777777"},
		"wait-for-interface": {"", "a/b", "a b", "eth0:", "eth0:down", strings.Repeat("x", 128)},
	}
	for key, values := range bad {
		for _, text := range values {
			// As the setter gets it, before any reader trims it.
			v := defaultVassal()
			if err := vassalOptions.find(key).Put(v, option.Value{Text: text}); err == nil {
				t.Errorf("%s = %q is taken: %+v", key, text, v)
			}
			if _, _, err := ownLoader.VassalArgs([]string{"--command", "cat", "--" + key + "=" + text}); err == nil {
				t.Errorf("--%s=%q is taken", key, text)
			}
			if strings.TrimSpace(text) != text || strings.ContainsRune(text, 0) {
				continue
			}
			for _, strict := range []string{"true", "false"} {
				data := "[vassal]\ncommand = cat\nstrict = " + strict + "\n" + key + " = " + text + "\n"
				_, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(data)})
				if err == nil || !strings.Contains(err.Error(), "/v/a.ini:4: "+key+": ") {
					t.Errorf("%s = %q, strict %s: %v", key, text, strict, err)
				}
			}
		}
	}
}

func TestSecurityValuesOfTheEmperor(t *testing.T) {
	for key, values := range map[string][]string{
		"uid":               {"", "0day", "0x0", "-1", "4294967295", " 0", "0 "},
		"gid":               {"", "0day", "0x0", "-1", "4294967295", " 0", "0 "},
		"emperor-use-clone": {"all", "pid,all", "PID", "nett", "0x20000000", "pid,,all"},
	} {
		for _, text := range values {
			if _, _, err := ownLoader.Emperor([]string{"--" + key, text, "/etc/vassals"}); err == nil || !strings.Contains(err.Error(), key+": ") {
				t.Errorf("--%s %q: %v", key, text, err)
			}
		}
	}
}

func TestSecurityValuesThatAreRight(t *testing.T) {
	for text, want := range map[string]Identity{
		"0": {Set: true}, "1000": {Set: true, ID: 1000}, "4294967294": {Set: true, ID: 4294967294}, "007": {Set: true, ID: 7},
		"root": {Set: true, Name: "root"}, "www-data": {Set: true, Name: "www-data"}, "_apt": {Set: true, Name: "_apt"},
		"host$": {Set: true, Name: "host$"}, "a.b": {Set: true, Name: "a.b"},
	} {
		got, err := parseIdentity(text)
		if err != nil || got != want {
			t.Errorf("parseIdentity(%q) = %+v, %v", text, got, err)
		}
		if text != "007" && got.String() != text {
			t.Errorf("%q prints as %q", text, got)
		}
	}
}

// TestSecurityOptionsTwice: two different values in one file are an error; the same value
// twice and a value of another file are not.
func TestSecurityOptionsTwice(t *testing.T) {
	for _, key := range []string{"uid", "gid", "umask"} {
		for _, c := range []struct {
			first, second string
			wrong         bool
		}{{"7", "7", false}, {"7", "6", true}, {"7", "07", true}} {
			data := "[vassal]\ncommand = cat\n" + key + " = " + c.first + "\n" + key + " = " + c.second
			_, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(data)})
			if wrong := err != nil; wrong != c.wrong {
				t.Errorf("%s = %s, then %s: %v", key, c.first, c.second, err)
			}
		}
	}
}
