package core

import "github.com/gauntlet-dst/gauntlet/core/env"

// The steps of the protocol. Each is entered through env.Runtime.Step, so that
// logs, metrics, traces, faults and chaos scenarios can name it.
const (
	StepSubmit       env.Step = "submit"
	StepStatus       env.Step = "status"
	StepList         env.Step = "list"
	StepCancel       env.Step = "cancel"
	StepRetry        env.Step = "retry"
	StepProbe        env.Step = "probe"
	StepLead         env.Step = "lead"
	StepDiscover     env.Step = "discover"
	StepControl      env.Step = "control"
	StepClaimUnit    env.Step = "claim_unit"
	StepResume       env.Step = "resume"
	StepConvert      env.Step = "convert"
	StepHeartbeat    env.Step = "heartbeat"
	StepCheckpoint   env.Step = "checkpoint"
	StepStage        env.Step = "stage"
	StepCompleteUnit env.Step = "complete_unit"
	StepFailUnit     env.Step = "fail_unit"
	StepReleaseUnit  env.Step = "release_unit"
	StepReap         env.Step = "reap"
	StepTryClaim     env.Step = "try_claim_merge"
	StepRenewMerge   env.Step = "renew_merge"
	StepMerge        env.Step = "merge"
	StepFlip         env.Step = "flip"
	StepCollect      env.Step = "collect"
)
