package etcd

import (
	"strings"
	"testing"
)

// TestEndpointWithAPassword: the error does not repeat the password.
func TestEndpointWithAPassword(t *testing.T) {
	for address, shown := range map[string]string{
		"http://u:SECRET@h:2379":   `"http://...@h:2379"`,
		"https://u:SEC@RET@h":      `"https://...@h"`,
		"u:SECRET@h":               `"...@h"`,
		"http://u:SEC%zzRET@h":     `"http://...@h"`,
		"SEC\x01RET@h":             `"...@h"`,
		"http://u:SEC://RET@h":     `"http://...@h"`,
		"http://u:SECRET@h:x/?a#b": `"http://...@h:x/?a#b"`,
	} {
		_, err := parseEndpoints([]string{address}, false)
		if err == nil || strings.Contains(err.Error(), "SEC") || strings.Contains(err.Error(), "RET") || !strings.Contains(err.Error(), "endpoint "+shown+": a URL takes no user") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := parseEndpoints([]string{"ftp://h"}, false); err == nil || !strings.Contains(err.Error(), `"ftp://h": scheme ftp`) {
		t.Error(err)
	}
}
