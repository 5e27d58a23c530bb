namespace OmniPg.Jobmon;

/// <summary>A run whose body this package calls: in the log of a server or in one in memory.</summary>
internal interface IOwnedRun : IJob
{
    /// <summary>Ends the run with what its body threw, without ever throwing in place of that exception.</summary>
    ValueTask EndWithAsync(Exception error, CancellationToken callersToken);
}
