package serve

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sync/singleflight"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/internal/text"
)

// staleAfter is how long the store may be silent before the service is no longer
// ready. The store sends a message every two seconds.
const staleAfter = 10 * time.Second

// monitoring returns the handler of /metrics, /healthz (the process runs) and
// /readyz (it can answer with current data).
func (v *service) monitoring() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", gathered(v.registry()))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := v.unready(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// gathered returns a handler for metrics. Gathering them takes far more memory
// than the response, so concurrent requests share one result, and it is not
// compressed.
func gathered(r *prometheus.Registry) http.Handler {
	var group singleflight.Group
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer, err, _ := group.Do("", func() (any, error) { return gather(r, format) })
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", string(format))
		fmt.Fprint(w, answer)
	})
}

// gather returns the metrics as text.
func gather(r *prometheus.Registry, format expfmt.Format) (string, error) {
	families, err := r.Gather()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	encoder := expfmt.NewEncoder(&b, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// unready returns why the service is not ready; empty if it is ready.
func (v *service) unready() string {
	age, ever := v.mirror.Age()
	switch status := v.mirror.Status(); {
	case !ever && status.Err != nil:
		return "the store could not be read yet: " + text.OneLine(status.Err.Error())
	case !ever:
		return "the store has not been read yet"
	case age > staleAfter:
		return fmt.Sprintf("the store has been silent for %v", age.Round(time.Second))
	case v.gateway != nil:
		if err := v.gateway.Ready(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// registry returns the metrics of the service.
func (v *service) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(v.refused, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ofView := func(f func(*mirror.View) float64) func() float64 {
		return func() float64 {
			if view := v.mirror.View(); view != nil {
				return f(view)
			}
			return 0
		}
	}
	gauge(r, "store_revision", "Revision of the store that is served.", ofView(func(view *mirror.View) float64 { return float64(view.Revision) }))
	gauge(r, "store_keys", "Keys of objects in memory.", ofView(func(view *mirror.View) float64 { return float64(view.Len()) }))
	gauge(r, "store_silent_seconds", "Seconds since the last message from the store, which sends one every two seconds; -1 before the first.", func() float64 {
		age, ever := v.mirror.Age()
		if !ever {
			return -1
		}
		return age.Seconds()
	})
	counter(r, "store_reloads_total", "Times that all keys were read again, because the store no longer had the changes or was put back to an earlier state.", func() float64 { return float64(v.mirror.Status().Reloads) })
	if v.gateway != nil {
		v.registerGateway(r)
	}
	for part, at := range map[string]config.Value{"gateway": v.Settings.Gateway.Listen, "metrics": v.Settings.Metrics} {
		if at.Text != "" { // exported as 0 before the first refusal
			v.refused.WithLabelValues(part, limitTotal)
			v.refused.WithLabelValues(part, limitAddress)
		}
	}
	return r
}

func (v *service) registerGateway(r *prometheus.Registry) {
	gauge(r, "gateway_waiting", "Requests that wait for a change.", func() float64 { return float64(v.gateway.Stats().Waiting) })
	gauge(r, "gateway_body_bytes", "Bytes of answers in memory.", func() float64 { return float64(v.gateway.Stats().Bytes) })
	counter(r, "gateway_reads_total", "Requests for keys.", func() float64 { return float64(v.gateway.Stats().Reads) })
	counter(r, "gateway_waits_total", "Requests for changes of keys.", func() float64 { return float64(v.gateway.Stats().Waits) })
	counter(r, "gateway_errors_total", "Answers with a status of 400 or above.", func() float64 { return float64(v.gateway.Stats().Errors) })
}

func gauge(r *prometheus.Registry, name, help string, f func() float64) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "confctl", Name: name, Help: help}, f))
}

func counter(r *prometheus.Registry, name, help string, f func() float64) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "confctl", Name: name, Help: help}, f))
}

// The values of the limit label of refused connections.
const (
	limitTotal   = "total"
	limitAddress = "address"
)

// newRefused returns the counter of connections that were closed because of a
// limit, by part and limit.
func newRefused() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "confctl", Name: "refused_connections_total",
		Help: "Connections closed at once because a limit was reached: that on all connections, or that on those of one address.",
	}, []string{"part", "limit"})
}
