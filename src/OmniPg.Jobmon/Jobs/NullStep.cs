namespace OmniPg.Jobmon;

/// <summary>A step that is recorded nowhere; its progress can be read.</summary>
internal sealed class NullStep : IStep
{
    private readonly ProgressCell _cell = new(TimeProvider.System);

    private NullStep(string action) => Action = action;

    public long? StepId => null;

    public string Action { get; }

    public StepProgress Progress => _cell.Read();

    public static NullStep Begin(string action)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        return new NullStep(action);
    }

    public IStep Step(string action) => Begin(action);

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default) => ValueTask.FromResult(Step(action));

    public IStep Next(string action, string? message = null) => Begin(action);

    public ValueTask<IStep> NextAsync(string action, string? message = null, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Next(action));

    public void Report(long current, long? total = null, string? message = null) => _cell.Report(current, total, message);

    public void Report(StepProgress value)
    {
        _cell.SetUnit(value.Unit);
        _cell.Report(value.Current, value.Total, value.Message);
    }

    public void Increment(long by = 1) => _cell.Increment(by);

    public void Complete(string? message = null, string? status = null)
    {
    }

    public void Warn(string message) => ArgumentNullException.ThrowIfNull(message);

    public void Fail(Exception error) => ArgumentNullException.ThrowIfNull(error);

    public void Fail(string reason) => ArgumentException.ThrowIfNullOrEmpty(reason);

    public ValueTask CompleteAsync(string? message = null, string? status = null, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public ValueTask WarnAsync(string message, CancellationToken cancellationToken = default)
    {
        Warn(message);
        return ValueTask.CompletedTask;
    }

    public ValueTask FailAsync(Exception error, CancellationToken cancellationToken = default)
    {
        Fail(error);
        return ValueTask.CompletedTask;
    }

    public ValueTask FailAsync(string reason, CancellationToken cancellationToken = default)
    {
        Fail(reason);
        return ValueTask.CompletedTask;
    }

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
