using System.Globalization;
using System.Reflection;
using System.Text;

namespace OmniPg.Guard.Tests;

/// <summary>Prints the exported surface of an assembly, one member a line, in ordinal order and with nullability.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly NullabilityInfoContext Nullability = new();

    public static string Print(Assembly assembly)
    {
        var text = new StringBuilder();
        // The compiler keeps the shape of extension blocks in nested types with unspeakable names; what can be called is printed anyway.
        foreach (var type in assembly.GetExportedTypes().Where(t => t.FullName?.Contains('<') == false).OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(Header(type)).Append('\n');
            foreach (var line in Members(type).Distinct().Order(StringComparer.Ordinal))
                text.Append("    ").Append(line).Append('\n');
        }
        return text.ToString();
    }

    private static string Header(Type type)
    {
        var kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type.BaseType == typeof(MulticastDelegate) ? "delegate" : "class";
        var modifier = type is { IsAbstract: true, IsSealed: true } ? "static " : type is { IsAbstract: true, IsInterface: false } ? "abstract " : type is { IsSealed: true, IsValueType: false } ? "sealed " : "";
        var bases = new[] { type.BaseType }.OfType<Type>().Where(b => b != typeof(object) && b != typeof(ValueType) && b != typeof(Enum))
            .Concat(type.IsEnum ? [] : type.GetInterfaces().Where(i => i.IsVisible)).Select(b => TypeName.Of(b)).Order(StringComparer.Ordinal).ToArray();
        return $"{modifier}{kind} {TypeName.Full(type)}" + (bases.Length == 0 ? "" : " : " + string.Join(", ", bases));
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
            return Enum.GetNames(type).Select(n => $"{n} = {Convert.ToInt64(Enum.Parse(type, n), CultureInfo.InvariantCulture)}");
        return type.GetConstructors(Declared).Where(IsVisible).Select(c => $"{type.Name.Split('`')[0]}({Parameters(c)})")
            .Concat(type.GetMethods(Declared).Where(m => IsVisible(m) && IsOwn(m)).Select(Method))
            .Concat(type.GetProperties(Declared).Where(p => Accessors(p).Any(IsVisible)).Select(Property))
            .Concat(type.GetEvents(Declared).Where(e => IsVisible(e.AddMethod!)).Select(e => $"event {TypeName.Of(e.EventHandlerType!)} {e.Name}"))
            .Concat(type.GetFields(Declared).Where(f => f.IsPublic && !f.IsSpecialName).Select(f => $"{(f.IsLiteral ? "const " : f.IsStatic ? "static " : "")}{TypeName.Of(f.FieldType, Nullability.Create(f))} {f.Name}"));
    }

    private static string Method(MethodInfo method)
    {
        var generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "";
        return $"{Modifier(method)}{TypeName.Of(method.ReturnType, Nullability.Create(method.ReturnParameter))} {method.Name}{generic}({Parameters(method)})";
    }

    private static string Property(PropertyInfo property)
    {
        var accessors = string.Concat(Accessors(property).Where(IsVisible).Select(a => a == property.GetMethod ? " get;" : IsInit(a) ? " init;" : " set;"));
        var modifier = Modifier(Accessors(property).First(IsVisible));
        var index = property.GetIndexParameters() is { Length: > 0 } parameters ? $"[{string.Join(", ", parameters.Select(p => TypeName.Of(p.ParameterType)))}]" : "";
        return $"{modifier}{TypeName.Of(property.PropertyType, Nullability.Create(property))} {property.Name}{index} {{{accessors} }}";
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(p =>
        (p.IsOut ? "out " : p.ParameterType.IsByRef ? "ref " : "") + TypeName.Of(p.ParameterType, Nullability.Create(p)) + " " + p.Name + (p.HasDefaultValue ? " = " + Default(p) : "")));

    private static string Default(ParameterInfo parameter) => parameter.DefaultValue switch
    {
        null => "default",
        string s => $"\"{s}\"",
        var value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "default",
    };

    private static string Modifier(MethodBase method) =>
        (method.IsFamily || method.IsFamilyOrAssembly ? "protected " : "") + (method.IsStatic ? "static " : method.DeclaringType!.IsInterface ? "" : method.IsAbstract ? "abstract " : "");

    private static IEnumerable<MethodInfo> Accessors(PropertyInfo property) => new[] { property.GetMethod, property.SetMethod }.OfType<MethodInfo>();

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool IsInit(MethodInfo setter) =>
        setter.ReturnParameter.GetRequiredCustomModifiers().Any(m => m.Name == "IsExternalInit");

    // What the compiler writes for records and property accessors is no decision of ours.
    private static bool IsOwn(MethodInfo method) =>
        (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) && !method.Name.Contains('<', StringComparison.Ordinal)
        && method.Name is not ("PrintMembers" or "Equals" or "GetHashCode" or "ToString" or "op_Equality" or "op_Inequality" or "Deconstruct");
}
