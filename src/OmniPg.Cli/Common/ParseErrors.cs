using System.CommandLine;
using System.CommandLine.Parsing;
using OmniPg.Shared;

namespace OmniPg.Cli;

/// <summary>What is wrong with a command line, in the words of its user.</summary>
internal static class ParseErrors
{
    /// <summary>One sentence for each mistake; empty when there is none.</summary>
    public static IReadOnlyList<string> Of(ParseResult parse)
    {
        if (MistypedOption(parse) is { } option)
            return [NoOption(option, parse.CommandResult)];
        if (parse.Errors.Count == 0)
            return [];
        var wrong = parse.Errors.Where(e => IsOfAValue(e.SymbolResult)).Select(e => WrongValue(e.SymbolResult!)).ToList();
        if (wrong.Count > 0)
            return wrong;
        if (parse.UnmatchedTokens.Count > 0)
            return [Unknown(parse.UnmatchedTokens[0], parse.CommandResult)];
        return [.. parse.Errors.Select(e => e.SymbolResult is ArgumentResult { Tokens.Count: 0 } missing ? $"{missing.Argument.Name} is missing." : e.Message).Distinct()];
    }

    /// <summary>An option that does not exist and was taken for a name; null when there is none.</summary>
    /// <remarks>Behind <c>--</c> everything is taken as it stands, and so is what follows the program of <c>exec</c>.</remarks>
    private static string? MistypedOption(ParseResult parse)
    {
        var open = parse.Tokens.TakeWhile(t => t.Type != TokenType.DoubleDash).Select(t => t.Value).ToHashSet(StringComparer.Ordinal);
        return parse.CommandResult.Children.OfType<ArgumentResult>().Where(a => a.Tokens.Count > 0).Select(a => a.Tokens[0].Value)
            .FirstOrDefault(v => v.StartsWith('-') && v.Length > 1 && open.Contains(v));
    }

    // The parser names .NET types where a value is not understood; what it says of missing values is clear.
    private static bool IsOfAValue(SymbolResult? result) =>
        result is OptionResult { Tokens.Count: > 0 } option && option.Errors.Any() || result is ArgumentResult { Tokens.Count: > 0 } argument && argument.Errors.Any();

    private static string WrongValue(SymbolResult result)
    {
        var option = result as OptionResult ?? result.Parent as OptionResult;
        var name = option?.Option.Name ?? ((ArgumentResult)result).Argument.Name;
        var type = option?.Option.ValueType ?? ((ArgumentResult)result).Argument.ValueType;
        return $"{name} takes {Kind(Nullable.GetUnderlyingType(type) ?? type)}, not '{result.Tokens[^1].Value}'.";
    }

    private static string Kind(Type type) => type switch
    {
        { IsEnum: true } => Choice(Enum.GetNames(type)),
        _ when type == typeof(double) => "a number",
        _ when type == typeof(bool) => "true or false",
        _ => "a whole number",
    };

    private static string Choice(string[] names)
    {
        var lower = Array.ConvertAll(names, n => n.ToLowerInvariant());
        return $"{string.Join(", ", lower[..^1])} or {lower[^1]}";
    }

    private static string NoOption(string word, CommandResult result)
    {
        // What stands behind the sign is a value.
        var name = word.Split('=', 2)[0];
        var known = new List<string>();
        for (var at = result; at is not null; at = at.Parent as CommandResult)
            known.AddRange(at.Command.Options.Where(o => !o.Hidden && (at == result || o.Recursive)).Select(o => o.Name));
        return $"There is no option '{word}'.{EditDistance.Question(name, known)}";
    }

    private static string Unknown(string word, CommandResult result)
    {
        if (word.StartsWith('-'))
            return NoOption(word, result);
        var command = result.Command;
        return command.Subcommands.Count == 0
            ? $"'{word}' is one word too many."
            : $"There is no command '{word}'.{EditDistance.Question(word, command.Subcommands.Select(c => c.Name))}";
    }
}
