// Package validate renders what deploy/ ships for Kubernetes, with Helm's own
// library, and judges it without a cluster: every object is decoded strictly by
// Kubernetes' types, refers to objects that are there, and has the labels by
// which the manifests of deploy/chaos-mesh select it. It also builds what the
// images hold.
package validate
