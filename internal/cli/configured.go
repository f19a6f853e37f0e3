package cli

import (
	"strings"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/term"
)

// loadSettings loads the configuration that the options name.
func (g *globals) loadSettings() (*config.Settings, error) {
	return config.Load(config.Options{File: g.config, Schema: g.schema, Formats: formats(), Account: account.Self()})
}

// requiredSettings returns the names of the settings in which a mistake stops the
// command, besides those that locate the objects. A tcpircbot_port that is not a
// number stops the Python tool, and scripts may rely on that. It does not stop an
// undo or a change with --gone or --emergency.
func (g *globals) requiredSettings() []string {
	if g.terms.Gone || g.terms.Emergency || g.undoes {
		return g.required
	}
	return append([]string{"tcpircbot_port"}, g.required...)
}

// warnMistakes warns about the mistakes in settings that do not stop the command.
func warnMistakes(std term.Streams, settings *config.Settings) {
	for _, err := range settings.Mistakes() {
		std.Warn(err.Error())
	}
}

// warnExposed warns, once in a command, about files that everybody can write to or
// that expose a password, and about passwords that are sent unencrypted.
func (g *globals) warnExposed(std term.Streams, s *config.Settings) {
	g.exposures.Do(func() {
		for _, e := range s.Exposures() {
			msg := e.Msg
			if e.File != "" {
				msg += "; to end that: " + commandLine([]string{"chmod", e.Mode, e.File})
			}
			std.Warn(msg)
		}
	})
}

// explainSetting explains a setting that cannot be used.
func explainSetting(e *config.Error, err error) (code int, msg, hint string) {
	hint = e.Fix
	switch e.Reason {
	case config.Invalid:
	case config.OnlyInFiles:
		hint = "unset it; another configuration is named with --config FILE"
	case config.Looser:
		hint = "it can only make it stricter; to override a rule once: --allow RULE --reason TEXT"
	case config.NothingToServe:
		hint = "confctl serve --gateway 127.0.0.1:4001, or serve: {gateway: {listen: 127.0.0.1:4001}} in confctl.yaml"
	case config.GatewayOff:
		hint = "add --gateway ADDRESS"
	}
	return exitUsage, message(err), hint
}

// explainConfigFile explains that a named configuration or schema file does not
// exist.
func explainConfigFile(e *config.FileError, err error) (code int, msg, hint string) {
	if e.Kind == "configuration" {
		hint = "confctl init --driver local --dir DIR makes one"
	}
	return exitUsage, message(err), hint
}

// explainNoConfig explains that there is no configuration.
func explainNoConfig(_ *config.NotFoundError, err error) (code int, msg, hint string) {
	return exitUsage, message(err), "to try things on this machine:  confctl init --driver local\n" +
		"to work on an etcd cluster:     confctl init --driver etcd"
}

// explainNeeded explains that a command needs a setting that has a mistake. The exit
// code is that of the mistake.
func explainNeeded(e *config.NeededError, err error) (code int, msg, hint string) {
	code, _, hint = explain(e.Err)
	return code, e.Error(), strings.TrimLeft(nothingWritten(err)+"\n"+hint, "\n")
}
