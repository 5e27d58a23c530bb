namespace OmniPg.Wal.Cli;

/// <summary>
/// What a restore_command says when it is in trouble. PostgreSQL takes 1 to 125 as "not in the archive": with recovery.signal it then ends the
/// recovery and opens a new timeline, although the file may be there; a standby goes on with streaming. Above 125 a recovery stops with FATAL
/// and loses nothing, but a standby would shut down.
/// </summary>
internal static class RestoreExitCode
{
    /// <param name="arguments">The parsed command line, or null when it could not be parsed: then the safe answer for the current directory.</param>
    public static int OfTrouble(Arguments? arguments) => arguments?.Get(RestoreOptions.OnError) switch
    {
        "abort" => ExitCodes.StopRecovery,
        "missing" => ExitCodes.DestinationFailed,
        _ => IsStandby(arguments?.Get(CommonOptions.DataDirectory) ?? ".") ? ExitCodes.DestinationFailed : ExitCodes.StopRecovery,
    };

    private static bool IsStandby(string dataDirectory) => File.Exists(Path.Combine(dataDirectory, "standby.signal"));
}
