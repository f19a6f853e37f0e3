package cli

import "testing"

// TestReady: a store with nothing to serve is what the gateway has no answer from,
// and /readyz says so. Where there is no gateway, nobody is told anything wrong.
func TestReady(t *testing.T) {
	s := newSite(t, localConfig)
	alone := s.serve(1, "--metrics", "127.0.0.1:0")
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	until(t, v.metrics+"/readyz", 503, "the store holds nothing below /conftool/v1/")
	until(t, v.gateway+"/v2/keys/conftool/v1/pools?recursive=true", 500, "the store holds nothing below /conftool/v1/")
	until(t, alone.metrics+"/readyz", 200, "ok")
	s.ok("sync", "--directory", "data")
	until(t, v.gateway+"/v2/keys/conftool/v1/pools?recursive=true", 200, "web9.example")
	until(t, v.metrics+"/readyz", 200, "ok")
}
