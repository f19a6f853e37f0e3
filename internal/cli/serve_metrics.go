package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/conftool/confctl/internal/text"

	"github.com/conftool/confctl/internal/config"
)

// lively is how long the store may be silent until the service is not ready. It
// gives a sign of life every two seconds.
const lively = 10 * time.Second

// monitoring answers /metrics, /healthz (the process lives) and /readyz (it has
// what to answer with, and that is not old).
func (v *service) monitoring() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(v.registry(), promhttp.HandlerOpts{}))
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

// unready is why the service had better not be asked; empty if it may.
func (v *service) unready() string {
	age, ever := v.mirror.Age()
	switch status := v.mirror.Status(); {
	case !ever && status.Err != nil:
		return "the store could not be read yet: " + text.OneLine(status.Err.Error())
	case !ever:
		return "the store has not been read yet"
	case age > lively:
		return fmt.Sprintf("the store has been silent for %v", age.Round(time.Second))
	case v.gateway != nil:
		if err := v.gateway.Ready(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// registry has the metrics of the service.
func (v *service) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "confctl", Name: name, Help: help}, f))
	}
	counter := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "confctl", Name: name, Help: help}, f))
	}
	gauge("store_revision", "The revision of the store that is served.", func() float64 {
		if view := v.mirror.View(); view != nil {
			return float64(view.Revision)
		}
		return 0
	})
	gauge("store_keys", "Keys of objects in memory.", func() float64 {
		if view := v.mirror.View(); view != nil {
			return float64(view.Len())
		}
		return 0
	})
	gauge("store_silent_seconds", "For how long the store has config.Value no sign of life; it does so every two seconds. -1 if it never did.", func() float64 {
		age, ever := v.mirror.Age()
		if !ever {
			return -1
		}
		return age.Seconds()
	})
	counter("store_reloads_total", "How often everything was taken anew, since the store had forgotten the changes or was put back.", func() float64 { return float64(v.mirror.Status().Reloads) })
	if v.gateway != nil {
		gauge("gateway_waiting", "Requests that wait for a change.", func() float64 { return float64(v.gateway.Stats().Waiting) })
		gauge("gateway_body_bytes", "Bytes of answers in memory.", func() float64 { return float64(v.gateway.Stats().Bytes) })
		counter("gateway_reads_total", "Requests for keys.", func() float64 { return float64(v.gateway.Stats().Reads) })
		counter("gateway_waits_total", "Requests for changes of keys.", func() float64 { return float64(v.gateway.Stats().Waits) })
		counter("gateway_errors_total", "Answers with a status of 400 and above.", func() float64 { return float64(v.gateway.Stats().Errors) })
	}
	for _, limit := range []string{"total", "address"} { // shown as 0 before the first
		for part, at := range map[string]config.Value{"gateway": v.settings.Gateway.Listen, "metrics": v.settings.Metrics} {
			if at.Text != "" {
				v.refused.WithLabelValues(part, limit)
			}
		}
	}
	r.MustRegister(v.refused, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
