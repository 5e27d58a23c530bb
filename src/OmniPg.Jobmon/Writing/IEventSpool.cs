namespace OmniPg.Jobmon;

/// <summary>Keeps waiting events where they outlive the process. Never throws: the log must not break the work.</summary>
internal interface IEventSpool
{
    /// <summary>Writes those of the events that it does not hold yet.</summary>
    void Keep(IEnumerable<LogEvent> waiting);

    /// <summary>Makes what was written survive a crash of the machine, too.</summary>
    void Sync();

    /// <summary>Forgets everything, unless an event came to wait meanwhile.</summary>
    /// <param name="nothingWaits">Asked while no event can be written to the spool.</param>
    void Clear(Func<bool> nothingWaits);
}
