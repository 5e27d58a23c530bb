using System.Reflection;
using System.Runtime.CompilerServices;

namespace OmniPg.Guard.Tests;

/// <summary>One way to make a client, to set it, and to read what it returns, over all packages: who knows one knows all.</summary>
/// <remarks>What does not keep a rule yet is listed with it, and has to leave the list when it does.</remarks>
public sealed class FamilyRuleTests
{
    private const string Registration = "Microsoft.Extensions.DependencyInjection";

    private static readonly IReadOnlyList<Type> Public = [.. Repository.Libraries.Values.SelectMany(a => a.GetExportedTypes()).Where(IsWritten)];

    [Fact]
    public void Each_package_has_one_namespace() => Holds(
        from library in Repository.Libraries
        from type in library.Value.GetTypes()
        where IsWritten(type) && type.Namespace is { } space && space.StartsWith("OmniPg", StringComparison.Ordinal)
            && space != library.Key.Replace(".Core", "", StringComparison.Ordinal) && space != "OmniPg.Shared"
        select type.FullName!);

    [Fact]
    public void Options_are_sealed_classes_whose_properties_can_be_set() => Holds(
        from type in Options()
        where !type.IsSealed || type.IsValueType || IsRecord(type) || type.GetConstructor(Type.EmptyTypes) is null || type.GetProperties().Any(IsFixed)
        select type.Name);

    [Fact]
    public void Options_are_checked_by_the_one_check() => Holds(
        from type in Options()
        where type.GetInterfaces().All(i => i.FullName != "OmniPg.Shared.ICheckedOptions")
        select type.Name,
        // Parts of options that are checked as a whole, and what has no wrong value.
        "DataOptions", "ExternalProcessOptions", "LayoutOptions", "MaintenanceOptions", "PgToolOptions",
        "WalReadOptions");

    [Fact]
    public void What_a_call_returns_is_a_sealed_record_named_result() => Holds(
        from type in Public
        where (type.Name.EndsWith("Result", StringComparison.Ordinal) && !type.IsEnum && !(type.IsSealed && IsRecord(type)))
            || type.Name.EndsWith("Summary", StringComparison.Ordinal) || type.Name.EndsWith("Outcome", StringComparison.Ordinal)
            || type.Name.EndsWith("Report", StringComparison.Ordinal)
        select type.Name);

    [Fact]
    public void Lists_are_read_only_and_progress_is_an_argument() => Holds(
        from type in Public
        from property in type.GetProperties()
        where IsOpenList(property.PropertyType) || IsOf(property.PropertyType, typeof(IProgress<>))
        select $"{type.Name}.{property.Name}");

    [Fact]
    public void Each_package_is_registered_under_its_name_and_returns_its_builder() => Holds(
        from library in Repository.Libraries
        let package = library.Key.Replace(".", "", StringComparison.Ordinal)
        from type in library.Value.GetExportedTypes()
        where type.Namespace == Registration && type.Name.EndsWith("ServiceCollectionExtensions", StringComparison.Ordinal)
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static)
        where method.GetParameters()[0].ParameterType.Name == "IServiceCollection"
        where method.Name != "Add" + package || method.ReturnType.Name != package + "Builder"
        select method.Name);

    [Fact]
    public void No_two_public_types_have_one_name() => Holds(
        from type in Public
        where !type.IsNested
        group type by type.Name into alike
        where alike.Count() > 1
        select alike.Key);

    private static void Holds(IEnumerable<string> found, params string[] yet) =>
        // Both ways: an entry that allows nothing any more hides the next mistake.
        found.Distinct().Order(StringComparer.Ordinal).Should().BeEquivalentTo(yet.Order(StringComparer.Ordinal));

    private static IEnumerable<Type> Options() => Public.Where(t => t.IsClass && t.Name.EndsWith("Options", StringComparison.Ordinal));

    private static bool IsWritten(Type type) =>
        !type.FullName!.Contains('<', StringComparison.Ordinal) && type.GetCustomAttribute<CompilerGeneratedAttribute>() is null;

    private static bool IsRecord(Type type) =>
        type.GetMethod("<Clone>$") is not null || type.GetMethod("PrintMembers", BindingFlags.Instance | BindingFlags.NonPublic) is not null;

    private static bool IsFixed(PropertyInfo property) => property.SetMethod is not { IsPublic: true } set
        ? property.GetMethod is { IsPublic: true, IsStatic: false }
        : set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static bool IsOpenList(Type type) => (type.IsArray && type != typeof(byte[])) || IsOf(type, typeof(List<>)) || IsOf(type, typeof(IList<>)) || IsOf(type, typeof(ICollection<>));

    private static bool IsOf(Type type, Type definition) => type.IsGenericType && type.GetGenericTypeDefinition() == definition;
}
