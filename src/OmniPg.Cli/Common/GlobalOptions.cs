using System.CommandLine;

namespace OmniPg.Cli;

/// <summary>Options that every command takes.</summary>
internal static class GlobalOptions
{
    public static readonly Option<string?> Connection = new("--connection")
    {
        Description = "Npgsql keywords or a postgresql:// URI; else OMNIPG_CONNECTION; else the PG* variables",
        Recursive = true,
        HelpName = "STRING",
    };

    public static readonly Option<bool> Json = new("--json") { Description = "One JSON document on standard output", Recursive = true };

    public static readonly Option<bool> Verbose = new("--verbose") { Description = "Stack traces with errors", Recursive = true };
}
