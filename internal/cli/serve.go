package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/serve"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

func newServe(std term.Streams, g *globals) *cobra.Command {
	asked := config.Serve{
		Gateway: config.Gateway{Listen: config.Value{Option: "--gateway"}, Cert: config.Value{Option: "--cert"}, Key: config.Value{Option: "--key"}},
		Metrics: config.Value{Option: "--metrics"},
	}
	var allow []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the etcd v2 API and metrics, deliver announcements",
		Long: `Run the services that are enabled under "serve" in confctl.yaml, or by an
option, as one long-running process:

  gateway  the read API of etcd v2 (/v2/keys), for MediaWiki, PyBal, confd
  metrics  /metrics for Prometheus, /healthz and /readyz
  deliver  deliver waiting announcements, like log deliver --follow

The gateway answers from an in-memory copy that one watch keeps in sync with
the store. If the store is unreachable, the gateway keeps answering and reports
the age of the data. It listens on this host only, unless an address says
otherwise. SIGTERM ends it after the requests under way.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitInvalid),
		Example: `  confctl serve --gateway 127.0.0.1:4001 --metrics 127.0.0.1:9567
  confctl serve --gateway :4001 --allow-prefix /conftool/v1/mediawiki-config`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.noFormat("serve"); err != nil {
				return err
			}
			if cmd.Flags().Changed("allow-prefix") && len(allow) == 0 {
				allow = []string{""} // pflag reads an empty text as an empty list
			}
			for _, key := range allow {
				asked.Gateway.Allow = append(asked.Gateway.Allow, config.Value{Text: key, Option: "--allow-prefix"})
			}
			g.needs = []string{"serve"}
			return with(std, g, func(s *session) error { return s.runServe(cmd.Context(), asked) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&asked.Gateway.Listen.Text, "gateway", "", "serve the etcd v2 API at `ADDRESS`")
	f.StringVar(&asked.Metrics.Text, "metrics", "", "serve metrics at `ADDRESS`")
	f.BoolVar(&asked.Deliver, "deliver", false, "deliver announcements")
	f.StringVar(&asked.Gateway.Cert.Text, "cert", "", "serve the gateway over TLS with the certificate in `FILE`, which is reloaded when it changes")
	f.StringVar(&asked.Gateway.Key.Text, "key", "", "private key `FILE` of the certificate")
	f.StringSliceVar(&allow, "allow-prefix", nil, "serve only keys at or below `KEY`,...")
	return cmd
}

func (s *session) runServe(ctx context.Context, asked config.Serve) error {
	settings := s.Settings.Serve.Override(asked)
	if err := settings.Check(); err != nil {
		return err
	}
	if settings.Deliver && len(s.Settings.Sinks) == 0 {
		if settings.Gateway.Listen.Text == "" && settings.Metrics.Text == "" {
			return noSinks()
		}
		s.Warn("announcements are not delivered: no sink is configured; sinks are listed under sal: in confctl.yaml")
		settings.Deliver = false
	}
	c := serve.Config{
		Settings: settings, Store: s.Store, Objects: s.Catalog.Objects(),
		Namespace: s.Settings.Namespace, APIVersion: s.Settings.APIVersion,
		Say: s.Say, Warn: s.Warn, Debug: s.debugf,
	}
	if settings.Deliver {
		c.Deliver = s.deliver
	}
	collectGarbage(100, 160<<20) // a process that stays needs less memory, not a quick end
	return serve.Run(ctx, c)
}

// deliver delivers announcements until the context ends.
func (s *session) deliver(ctx context.Context) {
	var names []string
	for _, sink := range s.Settings.Sinks {
		if _, broken := sink.(sal.Broken); !broken {
			names = append(names, sink.Name())
		}
	}
	s.Say("delivering announcements to %s", strings.Join(names, ", "))
	_, _ = s.sayStranded(ctx) // an error of the store is reported below, too
	s.Journal().KeepDelivering(ctx, func(err error) { s.Warn("not delivered: " + err.Error()) })
}

func (s *session) debugf(format string, args ...any) {
	if s.debug {
		s.Say(format, args...)
	}
}
