// Command custom-emperor is emperor with three parts of its own: a source of vassals, a hook in
// Go and a metric. Everything else is emperor's: options, commands, control socket, metrics.
//
//	custom-emperor --metrics 127.0.0.1:9100 --call-as-emperor greet http://127.0.0.1:8000/vassals
//	custom-emperor list
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperord"
	"github.com/emperor-go/emperor/pkg/hooks"
)

var greetings = prometheus.NewCounter(prometheus.CounterOpts{Name: "custom_greetings_total", Help: "Vassals that the hook has greeted."})

func main() {
	hooks.Register("greet", func(_ context.Context, env hooks.Env) error { // call-as-emperor = greet
		greetings.Inc()
		env.Log("a warm welcome to " + env.Name)
		return nil
	})
	emperord.Main(emperord.Additions{
		Monitors:   map[string]func(string, *slog.Logger) (monitor.Monitor, error){"http": endpoint},
		Collectors: []prometheus.Collector{greetings},
	})
}

// endpoint monitors a URL that answers with a JSON object: the text of each vassal by its name.
func endpoint(url string, log *slog.Logger) (monitor.Monitor, error) {
	fetch := func(ctx context.Context) (list []monitor.Config, err error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the answer is %s", answer.Status)
		}
		texts := map[string]string{}
		err = json.NewDecoder(http.MaxBytesReader(nil, answer.Body, 16<<20)).Decode(&texts)
		for name, text := range texts {
			list = append(list, monitor.Config{Name: name, Data: []byte(text)})
		}
		return list, err
	}
	return monitor.NewPoll(url, monitor.PollOptions{Fetch: fetch, Interval: time.Second, Log: log}), nil
}
