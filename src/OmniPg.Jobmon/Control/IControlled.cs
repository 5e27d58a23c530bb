namespace OmniPg.Jobmon;

/// <summary>A run that the control session looks after.</summary>
internal interface IControlled
{
    JobRow Row { get; }

    /// <summary>Somebody asked for cancellation.</summary>
    /// <param name="by">Who, and why.</param>
    void OnCancelRequested(string? by);

    /// <summary>Another process took the single-instance lock while the connection was away.</summary>
    void OnInstanceLockLost();
}
