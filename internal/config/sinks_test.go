package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func TestSinks(t *testing.T) {
	const bot = "bot:9200"
	for _, c := range []struct {
		yaml, bot string
		want      []sal.Sink
	}{
		{"", "", nil},
		{"[]", "", nil},
		{"", bot, []sal.Sink{sal.Bot{Address: bot}}},
		{`
- {sink: tcpircbot, address: "[::1]:9200"}
- {sink: tcpircbot, address: "other:1", name: other-1}
- {sink: file, path: /var/log/confctl.json}
- {sink: file, path: log/confctl.json, name: near}
- {sink: syslog}
- {sink: syslog, path: socket, name: "2"}
- {sink: webhook, url: "https://user:pw@log.example/x?y"}
`, bot, []sal.Sink{
			sal.Bot{Address: "[::1]:9200"},
			sal.Bot{Address: "other:1", Label: "other-1"},
			sal.File{Path: "/var/log/confctl.json"},
			sal.File{Path: "/etc/conftool/log/confctl.json", Label: "near"},
			sal.Syslog{},
			sal.Syslog{Path: "/etc/conftool/socket", Label: "2"},
			sal.Webhook{URL: "https://user:pw@log.example/x?y"},
		}},
		{"[{sink: syslog}]", bot, []sal.Sink{sal.Syslog{}, sal.Bot{Address: bot}}},
		// A bot with any name replaces the one of config.yaml.
		{"[{sink: tcpircbot, name: irc, address: 'b:1'}]", bot, []sal.Sink{sal.Bot{Address: "b:1", Label: "irc"}}},
		{"[{sink: webhook, name: tcpircbot, url: 'http://x'}]", "", []sal.Sink{sal.Webhook{URL: "http://x", Label: "tcpircbot"}}},
	} {
		n, err := yamldoc.Parse("confctl.yaml", []byte(c.yaml))
		if err != nil {
			t.Fatal(err)
		}
		var bot sal.Sink
		if c.bot != "" {
			bot = sal.Bot{Address: c.bot}
		}
		got, errs := readSinks(n, bot, "/etc/conftool")
		if errs != nil {
			t.Errorf("%s: %v", c.yaml, errs)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.yaml, diff)
		}
	}
}

func TestSinksRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		"{sink: file}":                             `1:1: sal must be a list, not a map`,
		"[file]":                                   `1:2: a sink must be a map, not "file"`,
		"[{path: x}]":                              `1:2: sink is missing; it is one of tcpircbot, file, syslog, webhook`,
		"[{sink: sislog}]":                         `1:9: sink cannot be "sislog" (did you mean syslog?); it is one of tcpircbot, file, syslog, webhook`,
		"[{sink: [file]}]":                         `1:9: sink cannot be a list; it is one of tcpircbot, file, syslog, webhook`,
		"- sink: file\n  pat: x":                   `2:3: a file sink has no setting "pat" (did you mean path?); known: sink, name, path`,
		"[{sink: file, url: x}]":                   `1:15: a file sink has no setting "url"; known: sink, name, path`,
		"[{sink: file}]":                           `1:2: a file sink needs path, such as /var/log/confctl.json`,
		"[{sink: file, path: }]":                   `1:21: path of a file sink must be text, not nothing`,
		"[{sink: file, path: [x]}]":                `1:21: path of a file sink must be text, not a list`,
		"[{sink: tcpircbot, address: bot}]":        `1:29: address of a tcpircbot sink cannot be "bot"; it is a host and a port, such as bot.example.net:9200`,
		"[{sink: tcpircbot, address: 'bot:0'}]":    `1:29: address of a tcpircbot sink cannot be "bot:0"; it is a host and a port, such as bot.example.net:9200`,
		"[{sink: tcpircbot, address: ':9200'}]":    `1:29: address of a tcpircbot sink cannot be ":9200"; it is a host and a port, such as bot.example.net:9200`,
		"[{sink: webhook, url: 'ftp://x'}]":        `1:23: url of a webhook sink cannot be this text; it is a URL of http or https, such as https://log.example.net/confctl`,
		"[{sink: webhook, url: 'http:x'}]":         `1:23: url of a webhook sink cannot be "http:x"; it is a URL of http or https, such as https://log.example.net/confctl`,
		"[{sink: syslog, name: a/b}]":              `1:23: name of a sink cannot be "a/b"; it is a plain word of a-z, 0-9 and -`,
		"[{sink: syslog, name: sal}]":              `1:23: name of a sink cannot be "sal": under that name messages wait for sinks whose settings are wrong`,
		"[{sink: syslog, name: A}]":                `1:23: name of a sink cannot be "A"; it is a plain word of a-z, 0-9 and -`,
		"[{sink: syslog, name: ''}]":               `1:23: name of a syslog sink must be text, not ""`,
		"- {sink: syslog}\n- {sink: syslog}":       `2:3: duplicate sink syslog, first in line 1; give one of them another name with name: WORD`,
		"[{sink: syslog, name: tcpircbot}]":        `1:2: a sink cannot be named tcpircbot, the name of the bot of tcpircbot_host in config.yaml`,
		"[{sink: file, path: x, path: y}]":         `1:24: key "path" is there already, in line 1`,
		"[{sink: syslog}, {sink: file, path: x}] ": ``,
	} {
		n, err := yamldoc.Parse("confctl.yaml", []byte(yaml))
		if err == nil {
			_, errs := readSinks(n, sal.Bot{Address: "bot:9200"}, "/etc/conftool")
			err = errors.Join(errs...)
		}
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", yaml, err)
			}
			continue
		}
		if err == nil || strings.TrimPrefix(err.Error(), "confctl.yaml:") != want {
			t.Errorf("%s:\n%v, want\n%s", yaml, err, want)
		}
	}
}
