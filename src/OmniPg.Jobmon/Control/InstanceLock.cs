namespace OmniPg.Jobmon;

/// <summary>The advisory locks of one single-instance run; changed only by the control thread.</summary>
internal sealed class InstanceLock(RunControl run)
{
    public RunControl Run { get; } = run;

    public string JobName => Run.Row.Name;

    /// <summary>Keys computed by the server, ascending; empty before the first try.</summary>
    public int[] Keys { get; set; } = [];

    public bool Held { get; set; }

    /// <summary>Its run is over: not to be taken again on a new connection. Set by the run.</summary>
    public bool IsUnwanted { get; set; }
}
