namespace OmniPg.Cli;

/// <summary>The command line asks for something that cannot be: exit code 64.</summary>
internal sealed class UsageException(string message) : Exception(message);
