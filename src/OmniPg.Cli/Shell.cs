using System.CommandLine;

namespace OmniPg.Cli;

/// <summary>The program: all commands, and what happens with a command line that is not understood.</summary>
internal static class Shell
{
    public static async Task<int> RunAsync(string[] args, CliHost host, CancellationToken cancellationToken)
    {
        var root = new RootCommand("omnipg: jobs, schema extraction and comparison for PostgreSQL\nExample: omnipg jobmon check --format nagios");
        root.Options.Add(CommonOptions.Connection);
        root.Options.Add(CommonOptions.Json);
        root.Options.Add(CommonOptions.Verbose);
        root.Subcommands.Add(JobmonCommands.Create(host));
        root.Subcommands.Add(ExtractCommand.Create(host));
        root.Subcommands.Add(SchemaCommands.Create(host));

        var parse = root.Parse(args);
        if (parse.Errors.Count > 0)
        {
            foreach (var error in parse.Errors)
                host.Error.WriteLine("omnipg: " + error.Message);
            host.Error.WriteLine($"hint: {CommandPath(parse)} --help");
            return ExitCodes.Usage;
        }
        return await parse.InvokeAsync(
            new InvocationConfiguration
            {
                Output = host.Out,
                Error = host.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            },
            cancellationToken);
    }

    private static string CommandPath(ParseResult parse)
    {
        var names = new Stack<string>();
        for (var result = parse.CommandResult; result is not null; result = result.Parent as System.CommandLine.Parsing.CommandResult)
            names.Push(result.Command is RootCommand ? "omnipg" : result.Command.Name);
        return string.Join(' ', names);
    }
}
