using System.CommandLine;
using System.CommandLine.Completions;
using System.Runtime.CompilerServices;

namespace OmniPg.Cli;

/// <summary>Builds commands whose description ends with an example and whose errors become one line and an exit code.</summary>
internal static class CliCommand
{
    private static readonly ConditionalWeakTable<object, object> Completed = [];

    /// <summary>A command with its example, its options and arguments, and what it does.</summary>
    public static Command Create(
        CliHost host, string name, string description, string example, Func<CliSession, CancellationToken, Task<int>> run, params Symbol[] symbols)
    {
        var command = new Command(name, $"{description}\nExample: {example}");
        foreach (var symbol in symbols)
        {
            if (symbol is Option option)
            {
                command.Options.Add(option);
                CompleteNames(option.CompletionSources, option.ValueType);
            }
            else
            {
                var argument = (Argument)symbol;
                command.Arguments.Add(argument);
                CompleteNames(argument.CompletionSources, argument.ValueType);
            }
        }
        command.SetAction((parse, token) => RunAsync(new CliSession(parse, host), run, token));
        return command;
    }

    /// <summary>Offers the values of an enum in lower case; the parser would offer them as C# writes them.</summary>
    public static void CompleteNames(List<Func<CompletionContext, IEnumerable<CompletionItem>>> sources, Type type)
    {
        if (!type.IsEnum)
            return;
        // Options are shared by all commands ever made: one that another thread is parsing with must not change under it.
        lock (Completed)
        {
            if (!Completed.TryAdd(sources, sources))
                return;
            sources.Clear();
            sources.Add(Enum.GetNames(type).Select(n => n.ToLowerInvariant()).ToArray());
        }
    }

    private static async Task<int> RunAsync(CliSession session, Func<CliSession, CancellationToken, Task<int>> run, CancellationToken cancellationToken)
    {
        await using (session)
        {
            try
            {
                return await run(session, cancellationToken);
            }
            catch (Exception error)
            {
                return ErrorReport.Write(session, error, cancellationToken);
            }
        }
    }
}
