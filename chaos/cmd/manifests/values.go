package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.yaml.in/yaml/v4"
)

// values is what a cluster's owner sets, in deploy/chaos-mesh/values.yaml.
type values struct {
	Namespace string        `yaml:"namespace"`
	Release   string        `yaml:"release"`
	Converter converter     `yaml:"converter"`
	TiKV      pods          `yaml:"tikv"`
	PD        pods          `yaml:"pd"`
	Objects   objects       `yaml:"objects"`
	Duration  time.Duration `yaml:"duration"`
	Burst     time.Duration `yaml:"burst"`
	MaxDelay  time.Duration `yaml:"maxDelay"`
	Loss      int           `yaml:"loss"`
	Recovery  time.Duration `yaml:"recovery"`
	Schedule  string        `yaml:"schedule"`
}

// pods selects pods by namespace and labels.
type pods struct {
	Namespace string            `yaml:"namespace"`
	Labels    map[string]string `yaml:"labels"`
}

type converter struct {
	pods      `yaml:",inline"`
	Container string `yaml:"container"`
	Scratch   string `yaml:"scratch"`
	CPUs      int    `yaml:"cpus"`
	Memory    string `yaml:"memory"`
}

type objects struct {
	pods   `yaml:",inline"`
	Port   int    `yaml:"port"`
	Bucket string `yaml:"bucket"`
}

func readValues(path string) (v values, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return values{}, err
	}
	if err := yaml.Load(data, &v, yaml.WithKnownFields()); err != nil {
		return values{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := v.check(); err != nil {
		return values{}, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func (v *values) check() error {
	for _, p := range []struct {
		name string
		pods
	}{{"converter", v.Converter.pods}, {"tikv", v.TiKV}, {"pd", v.PD}, {"objects", v.Objects.pods}} {
		// Chaos Mesh takes an empty selector for every pod there is.
		if p.Namespace == "" || len(p.Labels) == 0 {
			return fmt.Errorf("%s: namespace and labels must be given, or every pod would be hit", p.name)
		}
	}
	for _, text := range []string{v.Namespace, v.Release, v.Converter.Container, v.Converter.Scratch, v.Converter.Memory, v.Objects.Bucket, v.Schedule} {
		if text == "" {
			return errors.New("namespace, release, converter.container, .scratch and .memory, objects.bucket and schedule must be given")
		}
	}
	if v.Duration <= 0 || v.Burst <= 0 || v.MaxDelay <= 0 || v.Recovery <= 0 {
		return errors.New("duration, burst, maxDelay and recovery must be above 0s")
	}
	if v.Converter.CPUs <= 0 || v.Objects.Port <= 0 || v.Loss <= 0 || v.Loss > 100 {
		return errors.New("converter.cpus and objects.port must be above 0, loss from 1 to 100")
	}
	return nil
}
