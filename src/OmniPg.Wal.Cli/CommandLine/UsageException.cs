namespace OmniPg.Wal.Cli;

/// <summary>The command line or the configuration file names something this verb does not have.</summary>
internal sealed class UsageException(string message) : Exception(message);
