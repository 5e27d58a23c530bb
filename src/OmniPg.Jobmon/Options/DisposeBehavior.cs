namespace OmniPg.Jobmon;

/// <summary>How a job or step ends that is disposed while still open.</summary>
public enum DisposeBehavior
{
    /// <summary>It failed: a forgotten <c>Complete</c> and an exception look the same, and the safe reading is failure.</summary>
    FailUnlessCompleted,

    /// <summary>It succeeded, also when an exception is on its way: only <c>Fail</c> and <c>RunAsync</c> make a failure.</summary>
    CompleteUnlessFailed,
}
