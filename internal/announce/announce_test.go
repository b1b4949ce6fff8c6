package announce

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// The message has each field of a probe in the configuration, under the same name, and otherwise only
// fields of the readiness around it. On the wire a text is bytes, because a path may not be UTF-8.
func TestProbeIsComplete(t *testing.T) {
	ready := config.Readiness{Notify: true, Timeout: 7 * time.Second}
	probe := reflect.ValueOf(&ready.Probe).Elem()
	for i := range probe.NumField() {
		switch field := probe.Field(i); field.Interface().(type) {
		case string:
			field.SetString(fmt.Sprintf("value %d\xff", i))
		case []string:
			field.Set(reflect.ValueOf([]string{"word\xff", fmt.Sprint(i)}))
		default:
			t.Fatalf("the test does not know the type of %s", probe.Type().Field(i).Name)
		}
	}
	sent := probeOf(ready, true)
	if sent.Timeout != ready.Timeout || !sent.Notify {
		t.Errorf("the readiness is lost: %+v", sent)
	}
	message := reflect.ValueOf(*sent)
	seen := map[string]bool{"Timeout": true, "Notify": true}
	for i := range probe.NumField() {
		name := probe.Type().Field(i).Name
		seen[name] = true
		if got := message.FieldByName(name); !got.IsValid() || fmt.Sprintf("%s", got) != fmt.Sprintf("%s", probe.Field(i)) {
			t.Errorf("config.Probe.%s is %q, and the message has %q", name, probe.Field(i), got)
		}
	}
	for i := range message.NumField() {
		if name := message.Type().Field(i).Name; !seen[name] {
			t.Errorf("wire.Probe.%s comes from no field of the configuration", name)
		}
	}
}

// A probe of the configuration comes first; without one the program notifies, or is ready at once.
func TestProbeOfReadiness(t *testing.T) {
	tcp := config.Probe{Kind: "tcp", Address: ":80"}
	for name, tt := range map[string]struct {
		ready    config.Readiness
		notifies bool
		want     *wire.Probe
	}{
		"none":                            {config.Readiness{Timeout: 1}, true, nil},
		"notify":                          {config.Readiness{Notify: true, Timeout: 1}, true, &wire.Probe{Kind: "notify", Timeout: 1}},
		"a program that cannot notify":    {config.Readiness{Notify: true, Timeout: 1}, false, nil},
		"a probe":                         {config.Readiness{Probe: tcp, Timeout: 1}, true, &wire.Probe{Kind: "tcp", Address: []byte(":80"), Path: []byte{}, Timeout: 1}},
		"a probe, and notify":             {config.Readiness{Probe: tcp, Notify: true, Timeout: 1}, true, &wire.Probe{Kind: "tcp", Address: []byte(":80"), Path: []byte{}, Timeout: 1, Notify: true}},
		"a probe of one that cannot also": {config.Readiness{Probe: tcp, Notify: true, Timeout: 1}, false, &wire.Probe{Kind: "tcp", Address: []byte(":80"), Path: []byte{}, Timeout: 1}},
	} {
		if got := probeOf(tt.ready, tt.notifies); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
