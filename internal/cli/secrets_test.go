package cli

import (
	"strings"
	"testing"
)

// TestSecretsAreNotQuoted: whatever is wrong with a file that may hold a password, the
// error says where, and does not repeat what stands there.
func TestSecretsAreNotQuoted(t *testing.T) {
	const etcdrc, config, sinks = "etcdrc", "config.yaml", "confctl.yaml"
	good := map[string]string{
		etcdrc: "host: 127.0.0.1\nport: 9\n",
		config: "driver_options: {etcd_config_file: etcdrc}\n",
		sinks:  "",
	}
	s := newSite(t, "")
	for _, c := range [][2]string{
		{etcdrc, "SECRET"}, {etcdrc, "SECRET word"}, {etcdrc, "- SECRET"}, {etcdrc, "password SECRET\nusername: u"},
		{etcdrc, "password: *SECRET"}, {etcdrc, "password: !SECRET x"}, {etcdrc, "password: !<SEC RET> x"}, {etcdrc, "password: SECRET: x"},
		{etcdrc, "password: &SECRET *SECRET"}, {etcdrc, "&SECRET password: {a: *SECRET}"}, {etcdrc, "password: &SECRET [*SECRET]"},
		{etcdrc, "password: {SECRET"}, {etcdrc, "password: \"SECRET"}, {etcdrc, "password: @SECRET"}, {etcdrc, "password: |SECRET"}, {etcdrc, "password: \"\\SECRET\""},
		{etcdrc, "{password: a,SECRET, SECRET2: x}"}, {etcdrc, "SECRET: x\nSECRET: y"}, {etcdrc, "<<: SECRET"}, {etcdrc, "<<: [{a: b}, SECRET]"},
		{etcdrc, "? {a: SECRET}\n: x"}, {etcdrc, "password: a\n---\nSECRET"}, {etcdrc, "a: SECRET\x00"},
		{config, "SECRET"}, {config, "SECRET!: x"}, {config, "hosts: http://u:SECRET@h"}, {config, "hosts: [{a: SECRET}]"}, {config, "driver_options: SECRET"},
		{config, "hosts: ['http://u:SECRET@h']\ndriver_options: {etcd_config_file: empty}"},
		{config, "hosts: ['h', 'u:SECRET@h']\ndriver_options: {etcd_config_file: empty}"},
		{sinks, "sal: https://hook/SECRET"}, {sinks, "sal: [https://hook/SECRET]"}, {sinks, "sal: [{sink: https://hook/SECRET}]"}, {sinks, "sal: [{sink: webhook, url: 'ftp://hook/SECRET'}]"},
		{sinks, "sal: [{sink: webhook, https://hook/SECRET: x}]"}, {sinks, "serve: https://hook/SECRET"}, {sinks, "https://hook/SECRET"},
	} {
		for name, text := range good {
			s.file(name, text)
		}
		s.file("empty", "")
		s.file(c[0], c[1]+"\n")
		_, stderr, code := s.run("--debug", "select", "name=x", "get")
		if strings.Contains(stderr, "SECRET") || strings.Contains(stderr, "RET>") {
			t.Errorf("%s: %s\n%s", c[0], c[1], stderr)
		}
		if !strings.Contains(stderr, c[0]) && !strings.Contains(stderr, "endpoint") || code == 0 {
			t.Errorf("%s: %s: the file is not named, exit code %d\n%s", c[0], c[1], code, stderr)
		}
	}
}
