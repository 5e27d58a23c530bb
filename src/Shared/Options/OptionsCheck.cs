using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>Options that know what they may be. The rules stand beside the properties whose comments name the ranges.</summary>
/// <remarks>Implemented explicitly by the options of a package: <c>void ICheckedOptions.Check(OptionsCheck check)</c>.</remarks>
internal interface ICheckedOptions
{
    /// <summary>Tells <paramref name="check"/> everything that is wrong, in the order of the properties, and never throws for it.</summary>
    void Check(OptionsCheck check);
}

/// <summary>The one check of options: collects all failures and reports them together.</summary>
/// <remarks>
/// The same rules run in the constructor of a client (<see cref="Require{TOptions}"/>) and at host start (<see cref="Add{TOptions}"/>), and both throw
/// <see cref="OptionsValidationException"/>. A rule takes its value as <c>options.Timeout</c> and calls it by the path behind the first dot, or by the
/// whole expression where there is none.
/// </remarks>
internal sealed class OptionsCheck
{
    private readonly List<string> _failures = [];
    private readonly string _prefix;

    private OptionsCheck(string prefix) => _prefix = prefix;

    /// <summary>Everything that is wrong with the options; empty when they can work.</summary>
    public static IReadOnlyList<string> FailuresOf(ICheckedOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var check = new OptionsCheck("");
        options.Check(check);
        return check._failures;
    }

    /// <summary>Returns the options when they can work; for the constructor that is given them.</summary>
    /// <param name="options">The options.</param>
    /// <param name="name">Their name in the host; empty for the default ones.</param>
    /// <exception cref="OptionsValidationException">They cannot work: all failures at once.</exception>
    public static TOptions Require<TOptions>(TOptions options, string name = "")
        where TOptions : class, ICheckedOptions =>
        FailuresOf(options) is { Count: > 0 } failures ? throw new OptionsValidationException(name, typeof(TOptions), failures) : options;

    /// <summary>Registers named options of a host that are checked when it starts, and each time they are asked for.</summary>
    public static OptionsBuilder<TOptions> Add<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(
        IServiceCollection services, string name)
        where TOptions : class, ICheckedOptions
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<TOptions>, AtHostStart<TOptions>>());
        return services.AddOptions<TOptions>(name).ValidateOnStart();
    }

    /// <summary>A failure in words of its own: a whole sentence that names the property and its value.</summary>
    public void Fail(string failure) => _failures.Add(_prefix + failure);

    /// <summary>A failure unless the condition holds.</summary>
    public void That(bool holds, string failure)
    {
        if (!holds)
            Fail(failure);
    }

    /// <summary>A value between two that are allowed themselves; null is allowed.</summary>
    public void Range<T>(T? value, T least, T most, [CallerArgumentExpression(nameof(value))] string name = "")
        where T : struct, IComparable<T> =>
        That(value is not { } v || (v.CompareTo(least) >= 0 && v.CompareTo(most) <= 0), $"{Of(name)} '{value}' must be between '{least}' and '{most}'.");

    /// <summary>A value that is not below one that is allowed itself; null is allowed.</summary>
    public void AtLeast<T>(T? value, T least, [CallerArgumentExpression(nameof(value))] string name = "")
        where T : struct, IComparable<T> => That(value is not { } v || v.CompareTo(least) >= 0, $"{Of(name)} '{value}' must be at least '{least}'.");

    /// <summary>A time that is zero or more; null is allowed.</summary>
    public void NotNegative(TimeSpan? value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is null || value >= TimeSpan.Zero, $"{Of(name)} '{value}' must not be negative.");

    /// <summary>A time longer than zero; null is allowed.</summary>
    public void Positive(TimeSpan? value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is null || value > TimeSpan.Zero, $"{Of(name)} '{value}' must be positive.");

    /// <summary>An interval that is zero or more by the server's measure; null is allowed.</summary>
    public void NotNegative(PgInterval? value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is not { } v || v.Estimate >= TimeSpan.Zero, $"{Of(name)} '{value}' must not be negative.");

    /// <summary>A member of an enum, not any number; null is allowed.</summary>
    public void Defined<T>(T? value, [CallerArgumentExpression(nameof(value))] string name = "")
        where T : struct, Enum =>
        That(value is not { } v || Enum.IsDefined(v), $"{Of(name)} '{value}' must be one of '{string.Join("', '", Enum.GetNames<T>())}'.");

    /// <summary>A text with something in it.</summary>
    public void NotEmpty(string? value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(!string.IsNullOrWhiteSpace(value), $"{Of(name)} '{value}' must not be empty.");

    /// <summary>A path of a file or folder, whether it exists or not; null is allowed.</summary>
    public void Path(string? value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is null || !(string.IsNullOrWhiteSpace(value) || value.Contains('\0', StringComparison.Ordinal)), $"{Of(name)} '{value}' is not a path.");

    /// <summary>A name that <see cref="PgIdentifier"/> takes; null is allowed.</summary>
    /// <param name="value">The name as the catalogue stores it.</param>
    /// <param name="kind">What it names, such as <c>schema</c>.</param>
    /// <param name="name">The property.</param>
    public void Identifier(string? value, string kind, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        try
        {
            if (value is not null)
                PgIdentifier.Create(value);
        }
        catch (ArgumentException error)
        {
            Fail($"{Of(name)} '{value}' is not a {kind} name: {ArgumentText.Of(error)}");
        }
    }

    /// <summary>A connection string that the driver can read; null is allowed.</summary>
    public void ConnectionString(string? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        try
        {
            _ = new NpgsqlConnectionStringBuilder(value);
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            // Neither the text nor the driver's words about it: both may hold a password.
            Fail($"{Of(name)} is not a connection string that the driver can read.");
        }
    }

    /// <summary>Options inside of options, with the property in front of their failures (<c>Stores[1]: …</c>); null is a failure.</summary>
    public void Inner(ICheckedOptions? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value is null)
        {
            Fail($"{Of(name)} must not be null.");
            return;
        }
        var inner = new OptionsCheck($"{_prefix}{Of(name)}: ");
        value.Check(inner);
        _failures.AddRange(inner._failures);
    }

    private static string Of(string expression) => expression[(expression.IndexOf('.', StringComparison.Ordinal) + 1)..];

    /// <summary>The check as the host knows it.</summary>
    private sealed class AtHostStart<TOptions> : IValidateOptions<TOptions>
        where TOptions : class, ICheckedOptions
    {
        public ValidateOptionsResult Validate(string? name, TOptions options) =>
            FailuresOf(options) is { Count: > 0 } failures ? ValidateOptionsResult.Fail(failures) : ValidateOptionsResult.Success;
    }
}
