package config_test

import (
	"fmt"

	"github.com/emperor-go/emperor/pkg/config"
)

// A vassal's file, and the position of each option.
func ExampleParseVassal() {
	text := "[vassal]\nname = shop\ncommand = gunicorn --bind fd://3 %(name).wsgi\nhttp-socket = :8080\n"
	v, _, err := config.ParseVassal(config.Source{Name: "shop.ini", Path: "/etc/vassals/shop.ini", Data: []byte(text)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", v.Command)
	fmt.Println(v.Sockets[0].Address, v.Origin("http-socket"))
	// Output:
	// ["gunicorn" "--bind" "fd://3" "shop.wsgi"]
	// :8080 /etc/vassals/shop.ini:4
}

// The error lists all mistakes, each with its position and a remedy.
func ExampleProblems() {
	text := "[vassal]\ncommand = cat\nprocesses = many\nuid = \"www-data\"\n"
	_, _, err := config.ParseVassal(config.Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(text)})
	fmt.Println(err)
	// Output:
	// /v/a.ini:3: processes: "many" is not a number of workers (1 to 1024)
	// /v/a.ini:4: uid: "\"www-data\"" is neither a number nor a name (quotes are part of a value: uid = www-data)
}

// Templates are the operator's text around each vassal. Without permissions a loader opens
// nothing.
func ExampleLoader_Vassal() {
	l := config.Loader{Templates: config.Templates{
		Include: []config.Template{config.Source{Name: "all.ini", Path: "/etc/emperor/all.ini", Data: []byte("[uwsgi]\numask = 027\n")}.Template()},
	}}
	v, _, err := l.Vassal(config.Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\ncommand = cat\ninclude = more.ini\n")})
	fmt.Println(v, err)

	v, _, err = l.Vassal(config.Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\ncommand = cat\n")})
	fmt.Println(v.Origin("umask"), err)
	// Output:
	// <nil> /v/a.ini:3: include: no other file may be opened or looked up here (this configuration is not trusted with it)
	// /etc/emperor/all.ini:2 <nil>
}

// Options of the emperor stand on its command line, in a file, or both.
func ExampleLoader_Emperor() {
	l := config.Loader{Permissions: config.FullPermissions(nil, config.Means{})}
	e, _, err := l.Emperor([]string{"--emperor-use-clone=net,pid", "/etc/vassals"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Monitors, e.Clone)
	// Output: [/etc/vassals] pid,net
}

// Two configurations differ in options, not in comments or spaces.
func ExampleDiff() {
	parse := func(text string) *config.Vassal {
		v, _, err := config.ParseVassal(config.Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\n" + text)})
		if err != nil {
			panic(err)
		}
		return v
	}
	before := parse("command = cat\nprocesses = 2\n")
	after := parse("; twice as many\ncommand=cat\nprocesses = 4\n")
	for _, d := range config.Diff(before, after) {
		fmt.Println(d.Option, d.Old, d.New, d.Change)
	}
	// Output: processes [2] [4] reload
}
