using System.CommandLine;
using System.CommandLine.Invocation;
using OmniPg.Shared;

namespace OmniPg.Cli;

/// <summary>The program: all commands, and what happens with a command line that is not understood.</summary>
internal static class Shell
{
    public static async Task<int> RunAsync(string[] args, CliHost host, CancellationToken cancellationToken)
    {
        var root = new RootCommand("omnipg: jobs, partitions, schema extraction and comparison for PostgreSQL\nExample: omnipg jobmon check --format nagios");
        root.Options.Add(GlobalOptions.Connection);
        root.Options.Add(GlobalOptions.Json);
        root.Options.Add(GlobalOptions.Verbose);
        root.Subcommands.Add(JobmonCommands.Create(host));
        root.Subcommands.Add(PartmanCommands.Create(host));
        root.Subcommands.Add(MimeoCommands.Create(host));
        root.Subcommands.Add(ExtractCommand.Create(host));
        root.Subcommands.Add(SchemaCommands.Create(host));
        root.Subcommands.Add(CompletionCommand.Create(host));
        foreach (var option in root.Options)
        {
            if (option is VersionOption)
                option.Action = new VersionAction(host.Out);
            // The spellings of another operating system, which completion would offer.
            foreach (var alias in option.Aliases.Where(a => a.StartsWith('/')).ToList())
                option.Aliases.Remove(alias);
        }

        // A word with @ is a word, not a file of further words: it may be a name, SQL, or somebody's address.
        var parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var configuration = new InvocationConfiguration
        {
            Output = host.Out,
            Error = host.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        try
        {
            // Nothing was asked, so this answers what can be asked. No success all the same: a script's command may be an empty variable.
            if (args.Length == 0)
            {
                await root.Parse("--help").InvokeAsync(configuration, cancellationToken);
                return ExitCodes.WrongUse;
            }

            if (ParseErrors.Of(parse) is not { Count: > 0 } errors)
                return await parse.InvokeAsync(configuration, cancellationToken);
            foreach (var error in errors)
                host.Error.WriteLine("omnipg: " + error);
            host.Error.WriteLine($"hint: {CommandPath(parse)} --help");
            return ExitCodes.WrongUse;
        }
        catch (OutputLostException lost)
        {
            host.Error.WriteLine("omnipg: " + lost.Message);
            return ExitCodes.Failed;
        }
    }

    private static string CommandPath(ParseResult parse)
    {
        var names = new Stack<string>();
        for (var result = parse.CommandResult; result is not null; result = result.Parent as System.CommandLine.Parsing.CommandResult)
            names.Push(result.Command is RootCommand ? "omnipg" : result.Command.Name);
        return string.Join(' ', names);
    }

    private sealed class VersionAction(TextWriter output) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            output.WriteLine(ProgramVersion.Of("omnipg"));
            return ExitCodes.Done;
        }
    }
}
