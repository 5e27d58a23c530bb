namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>The system's clock, which once has something done at the very moment in which a named method reads it.</summary>
internal sealed class InterposedTime : TimeProvider
{
    private (string Method, Action Work)? _armed;

    public bool Fired { get; private set; }

    public void WhenReadBy(string method, Action work) => _armed = (method, work);

    public override long GetTimestamp()
    {
        if (_armed is { } armed && Environment.StackTrace.Contains(armed.Method, StringComparison.Ordinal))
        {
            _armed = null;
            armed.Work();
            Fired = true;
        }

        return base.GetTimestamp();
    }
}
