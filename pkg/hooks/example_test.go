package hooks_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// A hook in Go: the line `hook-as-emperor = call:announce new` calls it for each vassal.
func ExampleRegister() {
	hooks.Register("announce", func(_ context.Context, env hooks.Env) error {
		fmt.Printf("%s %s in phase %s\n", env.Arg, env.Name, env.Phase)
		return nil
	})
	hook, err := hooks.Parse(hooks.Spec{Phase: hooks.AsEmperor, Kind: hooks.Do, Text: "call:announce new"})
	if err != nil {
		log.Fatal(err)
	}
	run := hooks.Runner{Subject: hooks.Subject{Name: "shop.ini"}, Log: slog.New(slog.DiscardHandler)}
	if err := run.Run(context.Background(), hooks.AsEmperor, []hooks.Hook{hook}); err != nil {
		log.Fatal(err)
	}
	// Output: new shop.ini in phase as-emperor
}

// The hooks of a phase run in order. The first failure ends a phase whose hooks must succeed, and
// is returned with its place.
func ExampleRunner_Run() {
	var list []hooks.Hook
	for i, text := range []string{"exit 0", "exit 3", "exit 0"} {
		hook, err := hooks.Parse(hooks.Spec{Phase: hooks.AsRoot, Kind: hooks.Exec, Text: text, Origin: fmt.Sprintf("shop.ini:%d", 7+i)})
		if err != nil {
			log.Fatal(err)
		}
		list = append(list, hook)
	}
	ran := 0
	run := hooks.Runner{Timeout: time.Minute, Log: slog.New(slog.DiscardHandler), Begin: func(hooks.Result) { ran++ }}
	err := run.Run(context.Background(), hooks.AsRoot, list)
	fmt.Println(ran, "hooks ran:", err)
	// Output: 2 hooks ran: shop.ini:8: hook as-root #2 (exec: exit 3): exit status 3
}

// A mistake in the text of a hook is found when it is parsed, not in the middle of a boot.
func ExampleParse() {
	_, err := hooks.Parse(hooks.Spec{Phase: hooks.AsRoot, Kind: hooks.Do, Text: "mout:proc none /proc"})
	fmt.Println(err)
	// Output: unknown action "mout" (did you mean mount?)
}
