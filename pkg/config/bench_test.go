package config

import "testing"

// thirty is a typical vassal's file of 30 lines.
const thirty = `; a site
[uwsgi]
name = shop
domain = shop.example.org
master = true
plugins = python3
uid = www-data
gid = www-data
chdir = /srv/%(name)
base = /srv/%(name)
http-socket = /run/vassals/%n.sock
chmod-socket = 660
wait-for-interface = veth1
wait-for-interface-timeout = 10
exec-as-root = ip link set lo up
exec-as-root = ip addr add 192.168.0.101/24 dev veth1
exec-as-root = ip link set veth1 up
hook-as-root = mount:tmpfs none /tmp
umask = 027
env = DJANGO_SETTINGS_MODULE=%(name).settings
env = HOME=%(base)
env = LANG=C.UTF-8
command = /srv/venvs/%(name)/bin/gunicorn --bind fd://3 %(name).wsgi
reload-mercy = 8
processes = 4
harakiri = 30
vacuum = true
die-on-term = true
touch-reload = %p
strict = false
`

func BenchmarkParseVassal30Lines(b *testing.B) {
	src := Source{Name: "shop.ini", Path: "/etc/vassals/shop.ini", Data: []byte(thirty)}
	if _, _, err := ParseVassal(src); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseVassal(src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFind looks up the option of a row and an option whose row is made on demand.
func BenchmarkFind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range []string{"vacuum", "exec-as-root"} {
			if vassalOptions.find(name) == nil {
				b.Fatal(name)
			}
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	one, _, err := ParseVassal(Source{Name: "shop.ini", Path: "/etc/vassals/shop.ini", Data: []byte(thirty)})
	if err != nil {
		b.Fatal(err)
	}
	two, _, err := ParseVassal(Source{Name: "shop.ini", Path: "/etc/vassals/shop.ini", Data: []byte(thirty + "umask = 027\n")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if found := Diff(one, two); len(found) != 0 {
			b.Fatal(found)
		}
	}
}
