package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
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
			g.required = []string{"serve"}
			return with(std, g, func(a *app.App) error { return runServe(cmd.Context(), std, g, a, asked) })
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

func runServe(ctx context.Context, std term.Streams, g *globals, a *app.App, asked config.Serve) error {
	settings := a.Settings.Serve.Override(asked)
	if err := settings.Check(); err != nil {
		return err
	}
	if settings.Deliver && len(a.Settings.Sinks) == 0 {
		if settings.Gateway.Listen.Text == "" && settings.Metrics.Text == "" {
			return noSinks()
		}
		std.Warn("announcements are not delivered: no sink is configured; sinks are listed under sal: in confctl.yaml")
		settings.Deliver = false
	}
	c := serve.Config{
		Settings: settings, Store: a.Store, Objects: a.Catalog.Objects(),
		Namespace: a.Settings.Namespace, APIVersion: a.Settings.APIVersion,
		Say: std.Say, Warn: std.Warn, Debug: messages(std, g).Debug,
	}
	if settings.Deliver {
		c.Deliver = func(ctx context.Context) { deliverUntilDone(ctx, std, a) }
	}
	collectGarbage(100, 160<<20) // a process that stays needs less memory, not a quick end
	return serve.Run(ctx, c)
}

// deliverUntilDone delivers announcements until the context ends.
func deliverUntilDone(ctx context.Context, std term.Streams, a *app.App) {
	var names []string
	for _, sink := range a.Settings.Sinks {
		if _, broken := sink.(sal.Broken); !broken {
			names = append(names, sink.Name())
		}
	}
	std.Say("delivering announcements to %s", strings.Join(names, ", "))
	_, _ = sayStranded(ctx, std, a) // an error of the store is reported below, too
	a.Journal().KeepDelivering(ctx, func(err error) { std.Warn("not delivered: " + err.Error()) })
}
